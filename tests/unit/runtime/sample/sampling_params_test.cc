// Each number outside its range is refused by name.
#include "runtime/sample/sampling_params.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace llmc::rt {
namespace {

TEST(SamplingParams, DefaultsAndLimitsAreAccepted) {
  EXPECT_TRUE(checkParams(SamplingParams{}, 10));
  SamplingParams edge;
  edge.temperature = 100;
  edge.topK = -1;
  edge.minP = 1;
  edge.presencePenalty = -2;
  edge.logprobs = 20;
  edge.logitBias = {{9, -100.0f}};
  EXPECT_TRUE(checkParams(edge, 10));
}

TEST(SamplingParams, OnlyPlainGreedyChoiceNeedsNoLogits) {
  SamplingParams greedy;
  greedy.temperature = 0;
  EXPECT_FALSE(greedy.needsLogits());
  SamplingParams best;
  best.topK = 1;
  EXPECT_FALSE(best.needsLogits());
  EXPECT_TRUE(SamplingParams{}.needsLogits());
  const std::function<void(SamplingParams&)> edits[] = {[](auto& p) { p.temperature = 0.1; },
                                                        [](auto& p) { p.repetitionPenalty = 1.1; },
                                                        [](auto& p) { p.presencePenalty = 0.5; },
                                                        [](auto& p) { p.frequencyPenalty = 0.5; },
                                                        [](auto& p) { p.logitBias = {{1, 2.0f}}; },
                                                        [](auto& p) { p.allowedIds = {1}; },
                                                        [](auto& p) { p.badWords = {{1}}; },
                                                        [](auto& p) { p.minTokens = 1; },
                                                        [](auto& p) { p.logprobs = 0; }};
  for (const auto& edit : edits) {
    SamplingParams params = greedy;
    edit(params);
    EXPECT_TRUE(params.needsLogits()) << &edit - edits;
  }
}

TEST(SamplingParams, EachFieldIsRefusedByName) {
  struct Case {
    const char* name;
    std::function<void(SamplingParams&)> set;
  };
  const double nan = std::nan("");
  const Case cases[] = {
      {"temperature", [](auto& p) { p.temperature = -0.1; }},
      {"temperature", [&](auto& p) { p.temperature = nan; }},
      {"temperature", [](auto& p) { p.temperature = INFINITY; }},
      {"top_k", [](auto& p) { p.topK = -2; }},
      {"top_p", [](auto& p) { p.topP = 0; }},
      {"top_p", [&](auto& p) { p.topP = nan; }},
      {"min_p", [](auto& p) { p.minP = 1.5; }},
      {"typical_p", [](auto& p) { p.typicalP = 0; }},
      {"repetition_penalty", [](auto& p) { p.repetitionPenalty = 0; }},
      {"presence_penalty", [](auto& p) { p.presencePenalty = 2.1; }},
      {"frequency_penalty", [](auto& p) { p.frequencyPenalty = -2.1; }},
      {"logprobs", [](auto& p) { p.logprobs = 21; }},
      {"logit_bias id", [](auto& p) { p.logitBias = {{10, 0.0f}}; }},
      {"logit_bias", [](auto& p) { p.logitBias = {{1, 101.0f}}; }},
      {"allowed_token_ids", [](auto& p) { p.allowedIds = {3, 10}; }},
      {"bad_words id", [](auto& p) { p.badWords = {{1, -1}}; }},
      {"bad_words", [](auto& p) { p.badWords = {{}}; }},
  };
  for (const auto& [name, set] : cases) {
    SamplingParams params;
    set(params);
    const Status status = checkParams(params, 10);
    EXPECT_EQ(status.code(), "RT_SAMPLING") << name;
    EXPECT_EQ(exitStatus(status.kind()), 64);
    EXPECT_TRUE(status.message().starts_with(name)) << status.message();
  }
}

}  // namespace
}  // namespace llmc::rt
