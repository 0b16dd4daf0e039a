// Prints what a token costs at a vocabulary of 49152; the target is 2% of a 2 ms step: 40 us.
#include "runtime/sample/sampler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <random>

namespace llmc::rt {
namespace {

double microseconds(Sampler& sampler, std::span<const float> row, const SamplingParams& params) {
  SampleRequest request;
  request.params = &params;
  TokenLogprobs logprobs;
  double best = 1e9;
  for (int round = 0; round < 50; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (uint64_t i = 0; i < 10; ++i) {
      request.position = i;
      EXPECT_TRUE(sampler.sample(row, request, &logprobs));
    }
    const std::chrono::duration<double, std::micro> passed = std::chrono::steady_clock::now() - start;
    best = std::min(best, passed.count() / 10);
  }
  return best;
}

TEST(SamplerSpeed, AtVocabulary49152) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> row(49152);
  for (float& x : row) x = normal(random);
  Sampler sampler(49152);
  struct Case {
    const char* name;
    SamplingParams params;
  };
  std::vector<Case> cases(6);
  // What a model makes: a few likely tokens above many unlikely ones.
  std::vector<float> peaked = row;
  for (size_t i = 0; i < 40; ++i) peaked[i * 997] += 14;
  cases[0] = {"greedy", {}};
  cases[0].params.temperature = 0;
  cases[1] = {"temperature", {}};
  cases[2] = {"top_k 40", {}};
  cases[2].params.topK = 40;
  cases[3] = {"top_p 0.9", {}};
  cases[3].params.topP = 0.9;
  cases[4] = {"top_k 40 top_p 0.9 min_p 0.05", {}};
  cases[4].params.topK = 40;
  cases[4].params.topP = 0.9;
  cases[4].params.minP = 0.05;
  cases[5] = {"greedy, 5 logprobs", {}};
  cases[5].params.temperature = 0;
  cases[5].params.logprobs = 5;
  for (const auto& [name, params] : cases) {
    const double us = microseconds(sampler, peaked, params);
    std::printf("sampler, vocabulary 49152, %s: %.1f us; of a flat row %.1f us\n", name, us,
                microseconds(sampler, row, params));
    EXPECT_LT(us, 20000) << name;  // far above any machine's time: catches a full sort for each token
  }
}

}  // namespace
}  // namespace llmc::rt
