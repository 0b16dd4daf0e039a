// llm.sample on the emulator gives the tokens of rt::Sampler: every filter, edits, narrow and flat rows, ties.
#include "tests/emulator/kernel_case.h"
#include "tests/unit/codegen/cuda/module_text.h"
#include "tests/unit/codegen/cuda/row_text.h"

#include <gtest/gtest.h>

#include <random>

namespace llmc {
namespace {

using rt::SamplingParams;

std::string sampleOf(int64_t columns, int64_t tile) {
  const int64_t tiles = (columns + tile - 1) / tile;
  return kernelText("!l = " + rowsOf(columns, "f32", "S") + "\n!a = " + rowsOf(2 * tiles, "f32", "S") +
                        "\n!t = " + rowsOf(1, "f32", "S"),
                    "%l: !l, %a: !a, %b: !llm.batch", "!t",
                    "  %0 = llm.sample %l, %a, %b : (!l, !a, !llm.batch) -> !t\n  kern.yield %0 : !t", "sample");
}

/// Rows by these requests, on one architecture in all orders of threads and checked.
emu::KernelCase caseOf(int64_t columns, std::vector<emu::SampledRow> samples, double spread, uint64_t seed = 1) {
  emu::KernelCase test{.text = sampleOf(columns, 1024), .archs = {"sm_80"}};
  test.sequences.assign(samples.size(), {0, 1});
  test.samples = std::move(samples);
  test.seed = seed;
  test.activations = spread;
  test.tolerance = 1e-30;
  return test;
}

emu::SampledRow row(SamplingParams params, uint64_t seed) {
  params.seed = seed;
  return {.params = std::move(params), .position = seed * 7 % 100};
}

/// One request of each kind that the device has.
std::vector<SamplingParams> kinds() {
  std::vector<SamplingParams> all;
  all.push_back({.temperature = 0});
  all.push_back({});
  all.push_back({.temperature = 0.3});
  all.push_back({.temperature = 2.5});
  all.push_back({.topK = 1});
  all.push_back({.topK = 40});
  all.push_back({.temperature = 0.2, .topK = 50, .topP = 0.9}); // beyond the last bin of the histogram
  all.push_back({.topK = 1024, .topP = 0.999, .minP = 0.01});
  all.push_back({.topP = 0.5});
  all.push_back({.topP = 0.95, .minP = 0.05});
  all.push_back({.minP = 0.1});
  all.push_back({.temperature = 0.7, .topK = 20, .topP = 0.8});
  return all;
}

TEST(SampleKernelTest, EveryFilterGivesTheHostsToken) {
  for (int64_t columns : {2000, 517}) {
    std::vector<emu::SampledRow> samples;
    uint64_t seed = 1;
    for (const SamplingParams &params : kinds())
      for (int i = 0; i < 2; ++i)
        samples.push_back(row(params, seed++));
    emu::checkKernelCase(caseOf(columns, samples, 3.0));
  }
}

// Flat rows: more candidates of top-p than are sorted, edges that one bin does not tell apart, draws by id.
TEST(SampleKernelTest, FlatRows) {
  std::vector<emu::SampledRow> samples;
  uint64_t seed = 100;
  for (double temperature : {1.0, 100.0})
    for (SamplingParams params : {SamplingParams{.topP = 0.9},
                                  {.topP = 0.01},
                                  {.topP = 0.7, .minP = 0.5},
                                  {.topK = 300},
                                  {.topK = 1000, .topP = 0.5},
                                  {}}) {
      params.temperature = temperature;
      samples.push_back(row(params, seed++));
    }
  emu::checkKernelCase(caseOf(5000, samples, 0.2));
  emu::checkKernelCase(caseOf(5000, samples, 0.0)); // all logits are equal
}

TEST(SampleKernelTest, EditsComeBeforeTheChoice) {
  std::vector<emu::SampledRow> samples;
  uint64_t seed = 500;
  std::mt19937 random(3);
  for (SamplingParams params : {SamplingParams{.temperature = 0}, {}, {.topK = 30}, {.topP = 0.8}, {.minP = 0.05}})
    for (int kind = 0; kind < 3; ++kind) {
      SamplingParams edited = params;
      if (kind != 1) {
        edited.repetitionPenalty = 1.3;
        edited.presencePenalty = 0.5;
        edited.frequencyPenalty = 0.25;
      }
      if (kind != 0)
        edited.logitBias = {{7, 9.5F}, {1999, -100.0F}, {33, 8.0F}};
      if (kind == 2)
        edited.minTokens = 50;
      emu::SampledRow made = row(edited, seed++);
      for (int i = 0; i < 60; ++i)
        (i % 3 == 0 ? made.generated : made.prompt).push_back(static_cast<int32_t>(random() % 2000));
      made.stopIds = {33, 7, 4000};
      samples.push_back(made);
    }
  emu::checkKernelCase(caseOf(2000, samples, 3.0));
}

TEST(SampleKernelTest, WhatOnlyTheHostHasIsLeftToIt) {
  std::vector<emu::SampledRow> samples;
  for (SamplingParams params : {SamplingParams{.typicalP = 0.5}, {.topK = 1025}, {.logprobs = 0}, {.temperature = 0}})
    samples.push_back(row(params, 3));
  SamplingParams words, allowed, twice, nothing;
  words.badWords = {{1, 2}};
  allowed.allowedIds = {3};
  twice.logitBias = {{5, 1.0F}, {5, 0.1F}};
  nothing.minTokens = 9;
  for (const SamplingParams &params : {words, allowed, twice})
    samples.push_back(row(params, 4));
  samples.push_back(row(nothing, 5));
  for (int32_t id = 0; id < 517; ++id)
    samples.back().stopIds.push_back(id); // no token is left: the host says so
  emu::checkKernelCase(caseOf(517, samples, 1.0));
}

// The sums of the host are doubles, those of the device whole numbers: of so many draws none differs.
TEST(SampleKernelTest, ManyDrawsAreEqual) {
  if (std::string missing = emu::missingNvrtc(); !missing.empty())
    GTEST_SKIP() << missing;
  std::mt19937 random(17);
  for (uint64_t round = 0; round < 6; ++round) {
    std::vector<emu::SampledRow> samples;
    for (int i = 0; i < 60; ++i) {
      SamplingParams params;
      params.temperature = 0.1 + 0.05 * static_cast<double>(random() % 40);
      if (random() % 2)
        params.topK = 1 + static_cast<int32_t>(random() % 400);
      if (random() % 2)
        params.topP = 0.05 + 0.01 * static_cast<double>(random() % 90);
      if (random() % 3 == 0)
        params.minP = 0.001 * static_cast<double>(random() % 200);
      samples.push_back(row(params, random()));
    }
    emu::KernelCase test = caseOf(round % 2 ? 517 : 5000, samples, 0.5 + static_cast<double>(round), round + 1);
    test.allOrders = test.checked = false;
    emu::checkKernelCase(test);
  }
}

// The kernel that models of today have: their vocabulary, the largest block.
TEST(SampleKernelTest, AWideVocabulary) {
  std::vector<emu::SampledRow> samples = {row({}, 1), row({.topK = 50, .topP = 0.9}, 2), row({.topP = 0.95}, 3)};
  emu::KernelCase test = caseOf(49152, samples, 2.5);
  test.archs = {"sm_80", "sm_120a"};
  test.allOrders = test.checked = false;
  emu::checkKernelCase(test);
}

TEST(SampleKernelTest, WithoutRequestsTheBestToken) {
  // Two tiles: the second activation of the harness is random, so that its columns are any numbers.
  emu::KernelCase test{.text = sampleOf(2000, 1024)};
  test.adjust = [](size_t, reference::Tensor &want, reference::Tensor &got) {
    for (int64_t r = 0; r < want.rows; ++r)
      want.at(r, 0) = std::trunc(want.at(r, 0));
    EXPECT_EQ(want.rows, got.rows);
  };
  emu::checkKernelCase(test);
}

TEST(SampleKernelTest, ABlockARow) {
  ModuleText text(sampleOf(1 << 19, 1024)); // the widest one
  ASSERT_TRUE(text.module()) << text.diagnostics();
  for (const Arch &arch : cudaArchs()) {
    auto kernel = text.emit(arch.name);
    ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
    EXPECT_EQ(kernel->grid[0], GridDim::rows(llm::Dim::S(), 1));
    EXPECT_EQ(kernel->threads, 1024);
    EXPECT_EQ(kernel->sharedBytes, 16384 + 12288 + 65536);
  }
}

TEST(SampleKernelTest, RefusesLogitsThatItsKernelComputes) {
  const std::string refusal = refusalOf(kernelText(
      "!l = " + rowsOf(64) + "\n!a = " + rowsOf(2) + "\n!t = " + rowsOf(1), "%l: !l, %a: !a, %b: !llm.batch", "!t",
      "  %s = llm.scale %l {factor = 0.5} : !l\n"
      "  %0 = llm.sample %s, %a, %b : (!l, !a, !llm.batch) -> !t\n  kern.yield %0 : !t",
      "sample"));
  EXPECT_NE(refusal.find("one llm.sample, of logits in memory"), std::string::npos) << refusal;
}

} // namespace
} // namespace llmc
