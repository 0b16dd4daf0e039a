// Chosen tokens follow the stated distributions; logprobs are the model's own; broken rows are errors.
#include "runtime/sample/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

namespace llmc::rt {
namespace {

std::vector<float> randomRow(uint32_t count, uint32_t seed, float spread = 3) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> row(count);
  for (float& x : row) x = normal(random);
  return row;
}

int32_t pick(Sampler& sampler, std::span<const float> row, const SamplingParams& params, uint64_t position = 0,
             TokenLogprobs* logprobs = nullptr) {
  SampleRequest request;
  request.params = &params;
  request.position = position;
  auto token = sampler.sample(row, request, logprobs);
  EXPECT_TRUE(token) << token.status().toString();
  return token ? *token : -1;
}

/// Share of each token over many positions.
std::map<int32_t, double> shares(std::span<const float> row, const SamplingParams& params, int draws = 20000) {
  Sampler sampler(static_cast<uint32_t>(row.size()));
  std::map<int32_t, double> count;
  for (int i = 0; i < draws; ++i) count[pick(sampler, row, params, static_cast<uint64_t>(i))] += 1.0 / draws;
  return count;
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  Sampler sampler(100);
  std::vector<float> row(100, 1.0f);
  row[40] = row[70] = 5;
  SamplingParams params;
  params.temperature = 0;
  EXPECT_EQ(pick(sampler, row, params), 40);
  params.temperature = 1;
  params.topK = 1;
  EXPECT_EQ(pick(sampler, row, params), 40);
}

TEST(Sampler, FollowsTheSoftmaxAtEachTemperature) {
  const std::vector<float> row = {0, 1, 2, -1, 0.5f};
  for (double temperature : {0.5, 1.0, 2.0}) {
    SamplingParams params;
    params.temperature = temperature;
    const auto got = shares(row, params);
    double total = 0;
    for (float x : row) total += std::exp(x / temperature);
    for (size_t i = 0; i < row.size(); ++i)
      EXPECT_NEAR(got.count(static_cast<int32_t>(i)) ? got.at(static_cast<int32_t>(i)) : 0,
                  std::exp(row[i] / temperature) / total, 0.012)
          << temperature << " " << i;
  }
}

TEST(Sampler, TopKAndTopPKeepTheRightTokens) {
  // Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625.
  const std::vector<float> row = {-std::log(2.0f), -2 * std::log(2.0f), -3 * std::log(2.0f), -4 * std::log(2.0f),
                                  -4 * std::log(2.0f)};
  SamplingParams params;
  params.topK = 2;
  auto got = shares(row, params);
  EXPECT_EQ(got.size(), 2u);
  EXPECT_NEAR(got[0], 2.0 / 3, 0.012);
  params.topK = 0;
  params.topP = 0.8;
  got = shares(row, params);
  EXPECT_EQ(got.size(), 3u);
  EXPECT_NEAR(got[0], 4.0 / 7, 0.012);
  params.topP = 0.5;
  EXPECT_EQ(shares(row, params, 1000).size(), 1u);
  params.topP = 1e-9;
  EXPECT_EQ(shares(row, params, 1000).size(), 1u);
  // top-p counts in what top-k left: 0.5 / 0.75 is less than 0.7.
  params.topK = 2;
  params.topP = 0.7;
  EXPECT_EQ(shares(row, params, 1000).size(), 2u);
}

TEST(Sampler, MinPKeepsWhatIsNearTheBest) {
  const std::vector<float> row = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
  SamplingParams params;
  params.minP = 0.5;
  EXPECT_EQ(shares(row, params, 2000).size(), 2u);
  params.minP = 0.2;
  EXPECT_EQ(shares(row, params, 2000).size(), 3u);
}

TEST(Sampler, TypicalPrefersTheExpectedSurprise) {
  // Entropy 1.17 nats; the second token (surprise 1.2) is the most typical, not the most likely one.
  const std::vector<float> row = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
  SamplingParams params;
  params.typicalP = 0.2;
  const auto got = shares(row, params, 500);
  EXPECT_EQ(got.size(), 1u);
  EXPECT_EQ(got.begin()->first, 1);
}

TEST(Sampler, TopPOfAFlatRowLooksPastTheFirstGuess) {
  const std::vector<float> row(5000, 0.0f);
  SamplingParams params;
  params.topP = 0.9;
  const auto got = shares(row, params, 600);  // missing the last 200 of 4,500: one run in 10^11
  EXPECT_LT(got.rbegin()->first, 4501);
  EXPECT_GT(got.rbegin()->first, 4300);
}

TEST(Sampler, TopPOfAWideRowKeepsTheSmallestSet) {
  const auto row = randomRow(20000, 12, 1);
  std::vector<std::pair<float, int32_t>> sorted;
  double total = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    sorted.emplace_back(-row[i], static_cast<int32_t>(i));
    total += std::exp(static_cast<double>(row[i]));
  }
  std::sort(sorted.begin(), sorted.end());
  std::map<int32_t, bool> nucleus;
  for (double sum = 0; const auto& [x, id] : sorted) {
    if (sum >= 0.7 * total * (1 + 1e-5)) break;  // float weights may take one token more or less
    nucleus[id] = true;
    sum += std::exp(static_cast<double>(-x));
  }
  SamplingParams params;
  params.topP = 0.7;
  const auto got = shares(row, params, 4000);
  EXPECT_GT(got.size(), 2000u);
  for (const auto& [id, share] : got) EXPECT_TRUE(nucleus.count(id)) << id;
}

TEST(Sampler, SameSeedAndPositionGiveTheSameToken) {
  const auto row = randomRow(1000, 3);
  SamplingParams params;
  params.seed = 99;
  Sampler first(1000), second(1000);
  (void)pick(second, randomRow(1000, 4), params, 7);  // what was sampled before must not matter
  bool differs = false;
  for (uint64_t position = 0; position < 50; ++position) {
    const int32_t token = pick(first, row, params, position);
    EXPECT_EQ(token, pick(second, row, params, position));
    SamplingParams other = params;
    other.seed = 100;
    differs |= token != pick(second, row, other, position);
  }
  EXPECT_TRUE(differs);
}

TEST(Sampler, LogprobsAreTheModelsOwn) {
  const auto row = randomRow(777, 6);
  double total = 0;
  for (float x : row) total += std::exp(static_cast<double>(x));
  SamplingParams params;
  params.temperature = 0.3;
  params.topK = 5;
  params.logitBias = {{3, 100.0f}};
  params.logprobs = 4;
  Sampler sampler(777);
  TokenLogprobs logprobs;
  EXPECT_EQ(pick(sampler, row, params, 0, &logprobs), 3);
  EXPECT_NEAR(logprobs.logprob, static_cast<double>(row[3]) - std::log(total), 1e-5);
  ASSERT_EQ(logprobs.top.size(), 4u);
  for (const auto& [id, logprob] : logprobs.top)
    EXPECT_NEAR(logprob, static_cast<double>(row[static_cast<size_t>(id)]) - std::log(total), 1e-5);
  EXPECT_GE(logprobs.top[0].second, logprobs.top[1].second);
  params.logprobIds = {9, 2};
  EXPECT_EQ(pick(sampler, row, params, 0, &logprobs), 3);
  ASSERT_EQ(logprobs.top.size(), 2u) << "those and no others, in their order";
  EXPECT_EQ(logprobs.top[0].first, 9);
  EXPECT_NEAR(logprobs.top[1].second, static_cast<double>(row[2]) - std::log(total), 1e-5);
  EXPECT_NEAR(*sampler.logSumExp(row), std::log(total), 1e-6);
}

TEST(Sampler, BiasPenaltiesAndMinTokensChangeTheChoice) {
  std::vector<float> row = {5, 4, 3, 2};
  Sampler sampler(4);
  SamplingParams params;
  params.temperature = 0;
  params.logitBias = {{0, -100.0f}};
  EXPECT_EQ(pick(sampler, row, params), 1);
  EXPECT_EQ(row[0], 5);  // the caller's row is not touched
  params.logitBias.clear();
  params.presencePenalty = 2;
  TokenHistory history(4, 4);
  history.addGenerated(0);
  const int32_t stop[] = {1, -1, 900};
  SampleRequest request;
  request.params = &params;
  request.history = &history;
  EXPECT_EQ(*sampler.sample(row, request, nullptr), 1);
  request.stopIds = stop;
  params.minTokens = 3;
  request.generated = 2;
  EXPECT_EQ(*sampler.sample(row, request, nullptr), 0);
  request.generated = 3;
  EXPECT_EQ(*sampler.sample(row, request, nullptr), 1);
}

TEST(Sampler, BrokenRowsAreErrorsWhateverTheParameters) {
  for (float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    std::vector<float> row = randomRow(300, 8);
    row[200] = bad;
    for (double temperature : {0.0, 1.0}) {
      SamplingParams params;
      params.temperature = temperature;
      params.topK = temperature > 0 ? 3 : 0;
      SampleRequest request;
      request.params = &params;
      Sampler sampler(300);
      auto token = sampler.sample(row, request, nullptr);
      ASSERT_FALSE(token);
      EXPECT_EQ(token.status().code(), "RT_LOGITS");
      EXPECT_NE(token.status().message().find("logit of token 200 is "), std::string::npos);
      EXPECT_NE(token.status().message().find(", 1 of 300 are not finite"), std::string::npos);
      EXPECT_FALSE(sampler.logSumExp(row));
    }
  }
}

TEST(Sampler, AllowedIdsAreTheOnlyOnes) {
  const auto row = randomRow(1000, 5);
  SamplingParams params;
  params.allowedIds = {7, 900, 7};
  for (const auto& [id, share] : shares(row, params, 2000)) EXPECT_TRUE(id == 7 || id == 900) << id << " " << share;
  params.temperature = 0;
  Sampler sampler(1000);
  EXPECT_EQ(pick(sampler, row, params), row[7] >= row[900] ? 7 : 900);
}

TEST(Sampler, BadWordsAreNeverCompleted) {
  Sampler sampler(4);
  const std::vector<float> row = {0, 1, 2, 3};
  SamplingParams params;
  params.temperature = 0;
  params.badWords = {{3}, {0, 1, 2}};
  const auto after = [&](std::vector<int32_t> output) {
    SampleRequest request;
    request.params = &params;
    request.output = output;
    return *sampler.sample(row, request, nullptr);
  };
  EXPECT_EQ(after({}), 2);
  EXPECT_EQ(after({1}), 2);
  EXPECT_EQ(after({2, 0, 1}), 1);
  EXPECT_EQ(after({0, 1, 0}), 2);
}

TEST(Sampler, NothingLeftIsAnError) {
  Sampler sampler(4);
  SamplingParams params;
  params.allowedIds = {3};
  params.badWords = {{3}};
  SampleRequest request;
  request.params = &params;
  auto token = sampler.sample(std::vector<float>{0, 1, 2, 3}, request, nullptr);
  ASSERT_FALSE(token);
  EXPECT_EQ(token.status().code(), "RT_NO_TOKEN");
}

}  // namespace
}  // namespace llmc::rt
