// Beam search against all sequences of a small vocabulary, scored one by one.
#include "runtime/server/api/beam_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

namespace llmc::rt::server {
namespace {

constexpr int32_t kEnd = 0;

/// Log probabilities of six tokens after `tokens`, best first; the same for the same tokens.
TokenLogprobs scoresAfter(const std::vector<int32_t>& tokens, unsigned seed) {
  for (const int32_t token : tokens) seed = seed * 31 + static_cast<unsigned>(token) + 7;
  std::mt19937 random(seed);
  std::vector<double> weights(6);
  double sum = 0;
  for (double& w : weights) sum += w = std::exp(std::normal_distribution<double>(0, 1.5)(random));
  TokenLogprobs out;
  for (int32_t i = 0; i < 6; ++i) out.top.emplace_back(i, static_cast<float>(std::log(weights[i] / sum)));
  std::stable_sort(out.top.begin(), out.top.end(), [](auto& a, auto& b) { return a.second > b.second; });
  return out;
}

std::vector<int32_t> idsOf(const BeamSearch& search, const BeamSearch::Beam& beam) {
  std::vector<int32_t> out;
  for (const auto& token : search.tokensOf(beam)) out.push_back(token.id);
  return out;
}

uint32_t run(BeamSearch& search, unsigned seed) {
  uint32_t steps = 0;
  for (; !search.done(); ++steps) {
    std::vector<TokenLogprobs> scores;
    for (const auto& beam : search.live()) scores.push_back(scoresAfter(idsOf(search, beam), seed));
    search.advance(std::move(scores));
  }
  return steps;
}

struct Plain {
  std::vector<int32_t> tokens;
  double logprob = 0;
};

/// vLLM's loop as it is written there: all max_tokens steps, one list of completed beams, a sort in the end.
std::vector<Plain> plainSearch(const BeamRules& rules, unsigned seed) {
  std::vector<Plain> beams{Plain{}}, completed;
  for (uint32_t step = 0; step < rules.maxTokens; ++step) {
    std::vector<Plain> next;
    for (const Plain& beam : beams) {
      const auto scores = scoresAfter(beam.tokens, seed);
      for (size_t k = 0; k < std::min<size_t>(2 * rules.width, scores.top.size()); ++k) {
        Plain grown = beam;
        grown.tokens.push_back(scores.top[k].first);
        grown.logprob += static_cast<double>(scores.top[k].second);
        (!rules.ends.empty() && scores.top[k].first == kEnd ? completed : next).push_back(grown);
      }
    }
    std::stable_sort(next.begin(), next.end(), [](auto& a, auto& b) { return a.logprob > b.logprob; });
    next.resize(std::min<size_t>(next.size(), rules.width));
    beams = next;
  }
  completed.insert(completed.end(), beams.begin(), beams.end());
  const auto score = [&](const Plain& p) {
    const bool ended = !rules.ends.empty() && !p.tokens.empty() && p.tokens.back() == kEnd;
    return p.logprob / std::pow(static_cast<double>(rules.promptTokens + p.tokens.size() - ended), rules.lengthPenalty);
  };
  std::stable_sort(completed.begin(), completed.end(), [&](auto& a, auto& b) { return score(a) > score(b); });
  completed.resize(std::min<size_t>(completed.size(), rules.width));
  return completed;
}

TEST(BeamSearch, FindsWhatThePlainLoopFindsInNoMoreSteps) {
  uint32_t early = 0, ended = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    BeamRules rules{.width = 1 + seed % 3,
                    .maxTokens = 1 + seed % 7,
                    .lengthPenalty = std::vector<double>{1, 0, 2.5, -1}[seed % 4],
                    .promptTokens = 1 + seed % 5,
                    .ends = seed % 6 == 5 ? std::vector<int32_t>{} : std::vector<int32_t>{kEnd}};
    const auto expected = plainSearch(rules, seed);
    BeamSearch search(rules);
    early += run(search, seed) < rules.maxTokens;
    const auto best = search.best();
    ASSERT_EQ(best.size(), expected.size()) << seed;
    for (size_t i = 0; i < best.size(); ++i) {
      EXPECT_EQ(idsOf(search, best[i]), expected[i].tokens) << seed << " " << i;
      EXPECT_DOUBLE_EQ(best[i].logprob, expected[i].logprob) << seed;
      ended += best[i].end == kEnd;
    }
  }
  EXPECT_GT(early, 20u);
  EXPECT_GT(ended, 50u);
}

TEST(BeamSearch, EnoughGoOnWhateverEnds) {
  BeamSearch search({.width = 2, .maxTokens = 9, .lengthPenalty = 1, .promptTokens = 1, .ends = {0, 1, 2, 3}});
  EXPECT_EQ(search.candidates(), 6u);
  TokenLogprobs scores;
  for (int32_t i = 0; i < 6; ++i) scores.top.emplace_back(i, -1.0f - static_cast<float>(i));
  search.advance({scores});
  ASSERT_EQ(search.live().size(), 2u);
  EXPECT_EQ(idsOf(search, search.live()[0]), std::vector<int32_t>{4});
  EXPECT_EQ(search.best().size(), 2u);
}

TEST(BeamSearch, WhatIsImpossibleIsNoBeam) {
  BeamSearch search({.width = 3, .maxTokens = 2, .promptTokens = 1});
  TokenLogprobs scores;
  scores.top = {{5, 0.0f}, {6, -INFINITY}};
  search.advance({scores});
  EXPECT_EQ(search.live().size(), 1u);
}

}  // namespace
}  // namespace llmc::rt::server
