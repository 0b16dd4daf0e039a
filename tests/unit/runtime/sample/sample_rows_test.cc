// Requests become rows and edits: one an id, sorted; what only the host has is left to it.
#include "runtime/sample/sample_rows.h"

#include <gtest/gtest.h>

#include <cmath>

namespace llmc::rt {
namespace {

using cuda::SampleMode;

SampleRequest requestOf(const SamplingParams& params, const TokenHistory* history = nullptr) {
  SampleRequest request;
  request.params = &params;
  request.history = history;
  request.position = 12;
  return request;
}

TEST(SampleRows, NumbersAreThoseThatTheHostComputesWith) {
  SamplingParams params{.temperature = 0.7, .topK = 40, .topP = 0.9, .minP = 0.1};
  params.seed = 99;
  SampleRows rows(100);
  rows.begin(3);
  ASSERT_TRUE(rows.add(1, requestOf(params)));
  EXPECT_FALSE(rows.added(0));
  EXPECT_TRUE(rows.added(1));
  EXPECT_FALSE(rows.added(3));
  const cuda::SampleRow& row = rows.rows()[1];
  EXPECT_EQ(row.mode, SampleMode::kDraw);
  EXPECT_EQ(row.seed, 99u);
  EXPECT_EQ(row.position, 12u);
  EXPECT_EQ(row.topK, 40);
  EXPECT_EQ(row.topP, 0.9);
  EXPECT_EQ(row.scale, static_cast<float>(1 / 0.7));
  // The least float whose double is not below 0.1: comparing floats gives what comparing doubles gives.
  EXPECT_GE(static_cast<double>(row.minWeight), 0.1);
  EXPECT_LT(static_cast<double>(std::nextafterf(row.minWeight, 0)), 0.1);
  EXPECT_EQ(row.edits, 0);
  SamplingParams greedy{.temperature = 0};
  rows.begin(1);
  ASSERT_TRUE(rows.add(0, requestOf(greedy)));
  EXPECT_EQ(rows.rows()[0].mode, SampleMode::kBest);
}

TEST(SampleRows, EditsAreSortedAndOneAnId) {
  TokenHistory history(100, 8);
  const int32_t prompt[] = {50, 7, 50};
  history.addPrompt(prompt);
  for (const int32_t id : {7, 3, 7}) history.addGenerated(id);
  SamplingParams params;
  params.repetitionPenalty = 1.5;
  params.presencePenalty = 0.5;
  params.frequencyPenalty = 0.25;
  params.logitBias = {{60, 2.0F}, {7, -1.0F}};
  params.minTokens = 5;
  SampleRequest request = requestOf(params, &history);
  const int32_t stops[] = {60, 2, -1, 100};
  request.stopIds = stops;
  SampleRows rows(100);
  rows.begin(2);
  ASSERT_TRUE(rows.add(0, requestOf(params)));  // without a history the bias alone
  ASSERT_TRUE(rows.add(1, request));
  EXPECT_EQ(rows.rows()[0].edits, 2);
  EXPECT_EQ(rows.rows()[1].firstEdit, 2);
  EXPECT_EQ(rows.rows()[1].repetition, 1.5F);
  struct Expected {
    int32_t id;
    uint32_t flags;
    float subtract, bias;
  };
  const Expected expected[] = {{2, cuda::kEditForbidden, 0, 0},
                               {3, cuda::kEditSeen, 0.75F, 0},
                               {7, cuda::kEditSeen, 1.0F, -1.0F},
                               {50, cuda::kEditSeen, 0, 0},
                               {60, cuda::kEditForbidden, 0, 2.0F}};
  const auto edits = rows.edits().subspan(2);
  ASSERT_EQ(edits.size(), std::size(expected));
  for (size_t i = 0; i < edits.size(); ++i) {
    EXPECT_EQ(edits[i].id, expected[i].id);
    EXPECT_EQ(edits[i].flags, expected[i].flags) << edits[i].id;
    EXPECT_EQ(edits[i].subtract, expected[i].subtract) << edits[i].id;
    EXPECT_EQ(edits[i].bias, expected[i].bias) << edits[i].id;
  }
}

TEST(SampleRows, WhatOnlyTheHostHasIsRefusedAndChangesNothing) {
  std::vector<SamplingParams> asked(6);
  asked[0].logprobs = 0;
  asked[1].typicalP = 0.9;
  asked[2].topK = cuda::kMostTopK + 1;
  asked[3].allowedIds = {1};
  asked[4].badWords = {{1}};
  asked[5].logitBias = {{1, 0.5F}, {2, 1.0F}, {1, 0.25F}};
  SampleRows rows(100);
  rows.begin(1);
  for (const SamplingParams& params : asked) {
    EXPECT_FALSE(rows.add(0, requestOf(params)));
    EXPECT_FALSE(rows.added(0));
    EXPECT_TRUE(rows.edits().empty());
  }
  // The best token needs no filter.
  SamplingParams greedy{.temperature = 0, .topK = cuda::kMostTopK + 1, .typicalP = 0.5};
  EXPECT_TRUE(rows.add(0, requestOf(greedy)));
}

TEST(SampleRows, RowsThatFindNoRoomForTheirEditsAreTheHosts) {
  constexpr auto kHalf = static_cast<int32_t>(cuda::kMostEdits / 2 + 1);
  TokenHistory history(kHalf, kHalf);
  for (int32_t id = 0; id < kHalf; ++id) history.addGenerated(id);
  SamplingParams params;
  params.presencePenalty = 1;
  const SamplingParams plain;
  SampleRows rows(kHalf);
  rows.begin(3);
  EXPECT_TRUE(rows.add(0, requestOf(params, &history)));
  EXPECT_FALSE(rows.add(1, requestOf(params, &history)));
  EXPECT_TRUE(rows.add(2, requestOf(plain)));
  EXPECT_EQ(rows.edits().size(), static_cast<size_t>(kHalf));
}

}  // namespace
}  // namespace llmc::rt
