// Penalty formulas on known counts.
#include "runtime/sample/token_history.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

TEST(TokenHistory, AppliesEachPenaltyToItsTokens) {
  TokenHistory history(5, 8);
  const std::vector<int32_t> prompt = {0, 1, 1};
  history.addPrompt(prompt);
  history.addGenerated(1);
  history.addGenerated(2);
  history.addGenerated(2);
  SamplingParams params;
  params.repetitionPenalty = 2;
  params.presencePenalty = 0.5;
  params.frequencyPenalty = 0.25;
  float logits[5] = {4, -4, 4, 4, -4};
  history.penalize(params, logits);
  EXPECT_FLOAT_EQ(logits[0], 2);           // prompt only: repetition
  EXPECT_FLOAT_EQ(logits[1], -8 - 0.75f);  // prompt and generated once
  EXPECT_FLOAT_EQ(logits[2], 2 - 1.0f);    // generated twice
  EXPECT_FLOAT_EQ(logits[3], 4);           // never seen
  EXPECT_FLOAT_EQ(logits[4], -4);
}

TEST(TokenHistory, DistinctIdsAscendWhateverTheirOrder) {
  TokenHistory history(9, 8);
  const std::vector<int32_t> first = {7, 3, 7}, more = {5, 3};
  history.addPrompt(first);
  for (const int32_t id : {8, 0, 4, 0}) history.addGenerated(id);
  history.addPrompt(more);
  const auto distinct = history.distinct();
  EXPECT_EQ(std::vector(distinct.begin(), distinct.end()), (std::vector<int32_t>{0, 3, 4, 5, 7, 8}));
  EXPECT_EQ(history.timesGenerated(0), 2u);
  EXPECT_EQ(history.timesGenerated(7), 0u);
}

TEST(TokenHistory, NeutralPenaltiesChangeNothing) {
  TokenHistory history(2, 1);
  history.addGenerated(0);
  history.addGenerated(1);
  float logits[2] = {1.5f, -2.5f};
  history.penalize(SamplingParams{}, logits);
  EXPECT_EQ(logits[0], 1.5f);
  EXPECT_EQ(logits[1], -2.5f);
}

}  // namespace
}  // namespace llmc::rt
