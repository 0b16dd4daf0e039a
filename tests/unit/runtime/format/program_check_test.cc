// Hostile programs: slots outside their regions, arenas that wrap, arguments that resolve to nothing.
#include "runtime/format/program_check.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <limits>

#include "runtime/format/engine_reader.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc::rt {
namespace {

constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kMax64 = std::numeric_limits<uint64_t>::max();

void refused(const char* code, const char* path, const std::function<void(fb::EngineT&)>& edit) {
  fb::EngineT plan = test::tinyPlan();
  edit(plan);
  test::TemporaryFile tiny(test::assemble(test::tinySections(plan)));
  Status status = checkFile(tiny.path());
  ASSERT_FALSE(status) << path;
  EXPECT_EQ(status.code(), code) << status.message();
  // After the file's name.
  EXPECT_TRUE(status.message().substr(status.message().find("': ") + 3).starts_with(path)) << status.message();
}

fb::ArgT& argOf(fb::EngineT& plan, int phase, int arg) {
  return *plan.programs[1]->phases[phase]->launches[0]->args[arg];
}

TEST(ProgramCheck, Bounds) {
  refused("EN_SEMANTIC", "programs is empty", [](auto& p) { p.programs.clear(); });
  refused("EN_SEMANTIC", "programs[1].t_max", [](auto& p) { p.programs[1]->t_max = 16; });
  refused("EN_SEMANTIC", "programs[0].t_max", [](auto& p) { p.programs[0]->t_max = 0; });
  refused("EN_SEMANTIC", "programs[0].t_max", [](auto& p) { p.programs[0]->t_max = kMax32; });
}

TEST(ProgramCheck, ArenaWraps) {
  for (uint64_t bad : {kMax64 - 63, uint64_t{1} << 63, uint64_t{1} << 45})
    refused("EN_PLAN", "programs[1].region_bytes[1]", [&](auto& p) { p.programs[1]->region_bytes[1] = bad; });
  refused("EN_PLAN", "programs[0].region_bytes[3]", [](auto& p) { p.programs[0]->region_bytes[3] = 100; });
  refused("EN_PLAN", "programs[0].region_bytes.size", [](auto& p) { p.programs[0]->region_bytes.pop_back(); });
  refused("EN_PLAN", "programs[0].region_bytes.size", [](auto& p) { p.programs[0]->region_bytes.push_back(64); });
}

TEST(ProgramCheck, Slots) {
  refused("EN_PLAN", "programs[0].slots[0].unit",
          [](auto& p) { p.programs[0]->slots[0]->unit = static_cast<fb::Unit>(4); });
  refused("EN_PLAN", "programs[0].slots[0].offset", [](auto& p) { p.programs[0]->slots[0]->offset = 8; });
  refused("EN_PLAN", "programs[0].slots[0].bytes", [](auto& p) { p.programs[0]->slots[0]->bytes = 100; });
  refused("EN_PLAN", "programs[0].slots[0].bytes", [](auto& p) { p.programs[0]->slots[0]->bytes = 0; });
  for (uint64_t bad : {uint64_t{256}, uint64_t{1} << 40, kMax64 - 63}) {
    refused("EN_PLAN", "programs[0].slots[2] has offset", [&](auto& p) { p.programs[0]->slots[2]->offset = bad; });
    refused("EN_PLAN", "programs[0].slots[0] has offset", [&](auto& p) { p.programs[0]->slots[0]->bytes = bad; });
  }
  refused("EN_PLAN", "programs[1].slots[0] has offset",
          [](auto& p) { p.programs[1]->slots[0]->unit = fb::Unit::Fixed; });
}

/// Adds a slot to the last program and a launch that writes it to one of its phases.
void addSlot(fb::EngineT& plan, fb::Unit unit, uint64_t offset, uint64_t bytes, size_t phase) {
  fb::ProgramT& program = *plan.programs[1];
  auto slot = std::make_unique<fb::SlotT>();
  slot->unit = unit, slot->offset = offset, slot->bytes = bytes;
  auto launch = std::make_unique<fb::LaunchT>(*program.phases[0]->launches[0]);
  launch->args[2]->index = static_cast<uint32_t>(program.slots.size());
  program.slots.push_back(std::move(slot));
  while (program.phases.size() <= phase) program.phases.push_back(std::make_unique<fb::PhaseT>());
  program.phases[phase]->launches.push_back(std::move(launch));
}

/// Slot 0 has all 192 bytes a token in phases 0 and 1, slot 1, the logits, 192 bytes a row from phase 1 to the end.
TEST(ProgramCheck, SlotsThatAreAliveShareNoByte) {
  for (uint64_t offset : {0, 64, 128})
    for (size_t phase : {0, 1})
      refused("EN_PLAN", "programs[1].slots[3] has bytes ",
              [&](auto& p) { addSlot(p, fb::Unit::Token, offset, 64, phase); });
  refused("EN_PLAN",
          "programs[1].slots[3] has bytes 0 to 192 a unit, and slots[1] has 0 to 192: both hold values in "
          "phases[2]",
          [](auto& p) { addSlot(p, fb::Unit::Row, 0, 192, 2); });
  // A slot that swallows a smaller one, whichever comes first.
  for (bool smallFirst : {true, false})
    refused("EN_PLAN", "programs[1].slots[4] has bytes ", [&](auto& p) {
      addSlot(p, fb::Unit::Token, smallFirst ? 64 : 0, smallFirst ? 64 : 192, 2);
      addSlot(p, fb::Unit::Token, smallFirst ? 0 : 64, smallFirst ? 192 : 64, 2);
    });
}

TEST(ProgramCheck, SlotsMayShareBytesOneAfterTheOther) {
  fb::EngineT plan = test::tinyPlan();
  addSlot(plan, fb::Unit::Token, 0, 128, 2);   // slot 0 died in phase 1
  addSlot(plan, fb::Unit::Token, 128, 64, 2);  // beside it
  addSlot(plan, fb::Unit::Token, 64, 128, 3);
  addSlot(plan, fb::Unit::Worker, 64, 64, 0);  // slot 2 is named by nobody
  addSlot(plan, fb::Unit::Row, 0, 64, 0);      // before the logits are there
  test::TemporaryFile tiny(test::assemble(test::tinySections(plan)));
  EXPECT_TRUE(checkFile(tiny.path())) << checkFile(tiny.path()).toString();
}

TEST(ProgramCheck, ManySlotsAreQuick) {
  fb::EngineT plan = test::tinyPlan();
  plan.programs[1]->region_bytes[1] = 64 * 20'000;
  for (uint64_t i = 3; i < 20'000; ++i) addSlot(plan, fb::Unit::Token, 64 * i, 64, 0);
  test::TemporaryFile tiny(test::assemble(test::tinySections(plan)));
  auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(checkFile(tiny.path())) << checkFile(tiny.path()).toString();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));  // pairs would be 2e8
}

TEST(ProgramCheck, Logits) {
  refused("EN_PLAN", "programs[1].logits_slot is 1, a slot that some launch must write",
          [](auto& p) { p.programs[1]->phases.pop_back(); });
  refused("EN_SEMANTIC", "programs[0].logits_slot", [](auto& p) { p.programs[0]->logits_slot = 3; });
  refused("EN_SEMANTIC", "programs[0].logits_slot", [](auto& p) { p.programs[0]->logits_slot = kMax32; });
  refused("EN_PLAN", "programs[0].logits_slot", [](auto& p) { p.programs[0]->logits_slot = 0; });  // counted in tokens
  refused("EN_PLAN", "programs[0].logits_slot", [](auto& p) { p.programs[0]->slots[1]->bytes = 128; });
}

/// Adds a slot for the argmax of tiles of 4 columns, written in the phase of the logits, to the last program.
void addArgmax(fb::EngineT& plan) {
  fb::ProgramT& program = *plan.programs[1];
  program.region_bytes[2] += 64;
  addSlot(plan, fb::Unit::Row, 192, 64, 1);
  program.argmax_slot = 3;
  program.argmax_tile = 4;  // 8 tiles of 32 tokens: 64 bytes
}

void refusedArgmax(const char* code, const char* path, const std::function<void(fb::EngineT&)>& edit) {
  refused(code, path, [&](fb::EngineT& plan) {
    addArgmax(plan);
    edit(plan);
  });
}

TEST(ProgramCheck, Argmax) {
  fb::EngineT plan = test::tinyPlan();
  addArgmax(plan);
  test::TemporaryFile tiny(test::assemble(test::tinySections(plan)));
  EXPECT_TRUE(checkFile(tiny.path())) << checkFile(tiny.path()).toString();
  const auto last = [](fb::EngineT& p) -> fb::ProgramT& { return *p.programs[1]; };
  refusedArgmax("EN_SEMANTIC", "programs[1].argmax_slot", [&](auto& p) { last(p).argmax_slot = 4; });
  refusedArgmax("EN_SEMANTIC", "programs[1].argmax_slot",
                [&](auto& p) { last(p).argmax_slot = std::numeric_limits<int32_t>::max(); });
  for (int32_t bad : {-1, -2, std::numeric_limits<int32_t>::min()})
    refusedArgmax("EN_PLAN", "programs[1] has argmax_slot", [&](auto& p) { last(p).argmax_slot = bad; });
  refusedArgmax("EN_PLAN", "programs[1].argmax_tile", [&](auto& p) { last(p).argmax_tile = 0; });
  for (uint32_t tile : {1u, 3u})  // 32 and 11 tiles need 256 and 88 bytes
    refusedArgmax("EN_PLAN", "programs[1].argmax_slot has 64 bytes", [&](auto& p) { last(p).argmax_tile = tile; });
  refusedArgmax("EN_PLAN", "programs[1].argmax_slot has 192 bytes",
                [&](auto& p) { last(p).argmax_slot = 0; });  // counted in tokens
  refusedArgmax("EN_SEMANTIC", "programs[1].argmax_slot is 1", [&](auto& p) { last(p).argmax_slot = 1; });
  refusedArgmax("EN_PLAN", "programs[1].argmax_slot is 3, a slot that some launch must write",
                [&](auto& p) { last(p).phases[1]->launches.pop_back(); });
  refusedArgmax("EN_PLAN", "programs[1].slots[4] has bytes 192 to 256 a unit, and slots[3]",
                [&](auto& p) { addSlot(p, fb::Unit::Row, 192, 64, 2); });  // it lives to the end
  // Any tile is a number: the largest one makes one tile.
  fb::EngineT one = test::tinyPlan();
  addArgmax(one);
  one.programs[1]->argmax_tile = kMax32;
  test::TemporaryFile whole(test::assemble(test::tinySections(one)));
  EXPECT_TRUE(checkFile(whole.path())) << checkFile(whole.path()).toString();
}

TEST(ProgramCheck, SampledTokensAreForCudaOnly) {
  for (int32_t slot : {-2, 0, 3, std::numeric_limits<int32_t>::max()})
    refused("EN_PLAN", "programs[1] has sample_slot", [&](auto& p) { p.programs[1]->sample_slot = slot; });
}

TEST(ProgramCheck, Launches) {
  refused("EN_SEMANTIC", "programs[1].phases[1].launches[0].kernel",
          [](auto& p) { p.programs[1]->phases[1]->launches[0]->kernel = 2; });
  refused("EN_SEMANTIC", "programs[1].phases[1].launches[0].args.size",
          [](auto& p) { p.programs[1]->phases[1]->launches[0]->args.pop_back(); });
  refused("EN_SEMANTIC", "programs[1].phases[0].launches[0].args.size",
          [](auto& p) { p.programs[1]->phases[0]->launches[0]->kernel = 1; });
  for (int32_t bad : {-2, 2, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()})
    refused("EN_SEMANTIC", "programs[1].phases[1].launches[0].layer",
            [&](auto& p) { p.programs[1]->phases[1]->launches[0]->layer = bad; });
}

TEST(ProgramCheck, Arguments) {
  const char* prefix = "programs[1].phases[1].launches[0].args[";
  refused("EN_SEMANTIC", (std::string(prefix) + "0].kind").c_str(),
          [](auto& p) { argOf(p, 1, 0).kind = static_cast<fb::ArgKind>(4); });
  for (uint32_t bad : {3u, kMax32}) {
    refused("EN_SEMANTIC", (std::string(prefix) + "0].index").c_str(), [&](auto& p) { argOf(p, 1, 0).index = bad; });
    refused("EN_SEMANTIC", (std::string(prefix) + "1].index").c_str(), [&](auto& p) { argOf(p, 1, 1).index = bad; });
    refused("EN_SEMANTIC", (std::string(prefix) + "2].index").c_str(), [&](auto& p) { argOf(p, 1, 2).index = bad; });
    refused("EN_SEMANTIC", "programs[1].phases[0].launches[0].args[0].index",
            [&](auto& p) { argOf(p, 0, 0).index = bad; });
  }
  for (uint64_t bad : {uint64_t{8192}, kMax64 - 4095}) {
    refused("EN_SEMANTIC", (std::string(prefix) + "0].offset").c_str(), [&](auto& p) { argOf(p, 1, 0).offset = bad; });
    refused("EN_SEMANTIC", (std::string(prefix) + "1].offset").c_str(), [&](auto& p) { argOf(p, 1, 1).offset = bad; });
    refused("EN_SEMANTIC", (std::string(prefix) + "2].offset").c_str(), [&](auto& p) { argOf(p, 1, 2).offset = bad; });
  }
  refused("EN_SEMANTIC", (std::string(prefix) + "1].offset").c_str(), [](auto& p) { argOf(p, 1, 1).offset = 64; });
  refused("EN_SEMANTIC", (std::string(prefix) + "2].offset").c_str(), [](auto& p) { argOf(p, 1, 2).offset = 4; });
  refused("EN_SEMANTIC", "programs[1].phases[0].launches[0].args[0].offset",
          [](auto& p) { argOf(p, 0, 0).offset = 8; });
}

}  // namespace
}  // namespace llmc::rt
