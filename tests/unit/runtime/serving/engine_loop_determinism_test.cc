// The needle and its inverse: with --deterministic, or with a seed that the client gave, a sequence's tokens and log
// probabilities are bitwise those it has alone, in any batch, chunking, order, after preemption, with the prefix cache
// or without; and not without it.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/unit/runtime/serving/loop_runner.h"

namespace llmc::rt::serving::test {
namespace {

using rt::test::FakeEngine;

/// Requests with shared prefixes, choices, seeds and lengths of every kind.
std::vector<server::GenerationRequest> someRequests(std::mt19937& random, size_t count) {
  const auto pick = [&](uint32_t low, uint32_t high) {
    return low + static_cast<uint32_t>(random() % (high - low + 1));
  };
  std::vector<int32_t> prefix(100);
  for (int32_t& token : prefix) token = static_cast<int32_t>(random() % 38);
  std::vector<server::GenerationRequest> requests;
  for (uint64_t id = 1; id <= count; ++id) {
    const uint32_t length = pick(0, 5) == 0 ? pick(1, 2) : pick(1, 50);
    std::vector<int32_t> prompt(prefix.begin(), prefix.begin() + pick(0, length));
    while (prompt.size() < length) prompt.push_back(static_cast<int32_t>(random() % 38));
    auto request = requestOf(id, std::move(prompt), pick(10, 90));
    request.choices = pick(0, 3) == 0 ? pick(2, 5) : 1;  // there may be places for three
    if (pick(0, 1) == 1) request.sampling.temperature = 0.9;
    request.sampling.seed = random();
    if (pick(0, 2) == 0) request.sampling.repetitionPenalty = 1.2;
    requests.push_back(std::move(request));
  }
  return requests;
}

LoopSetup randomSetup(std::mt19937& random) {
  const auto pick = [&](uint32_t low, uint32_t high) {
    return low + static_cast<uint32_t>(random() % (high - low + 1));
  };
  LoopSetup setup;
  setup.limits.maxSequences = pick(3, 8);
  setup.limits.maxTokens = setup.limits.maxRows = setup.limits.maxSequences + pick(2, 40);
  setup.pages = pick(0, 1) == 0 ? 256 : pick(18, 26);  // a request needs up to 18
  setup.hostPages = pick(0, 2) == 0 ? pick(1, 40) : 0;
  setup.prefixCache = pick(0, 2) > 0;
  setup.prefillTokens = pick(0, 1) == 0 ? 0 : pick(3, 20);
  setup.threads = static_cast<int>(pick(1, 2));
  return setup;
}

struct Differences {
  int runs = 0, different = 0;
  uint64_t preemptions = 0, hits = 0;
};

/// Compares `rounds` random runs of all requests together, at random times, with each request alone.
Differences compare(uint32_t seed, int rounds, const std::function<void(LoopSetup&)>& change, bool perturbed = false) {
  std::mt19937 random(seed);
  FakeEngine engine(FakeEngine::Kind::kContexts);
  engine.perturbed = perturbed;
  Differences found;
  for (int round = 0; round < rounds; ++round) {
    const auto requests = someRequests(random, 12);
    LoopSetup alone;
    change(alone);
    std::map<uint64_t, Output> wanted;
    for (const auto& request : requests) wanted.merge(runLoop(engine, alone, {request}).outputs);
    LoopSetup setup = randomSetup(random);
    change(setup);
    std::vector<uint32_t> when(requests.size());
    for (uint32_t& tokens : when) tokens = static_cast<uint32_t>(random() % 80);
    std::sort(when.begin(), when.end());
    const LoopResult together = runLoop(engine, setup, requests, when);
    EXPECT_TRUE(together.status) << together.status.toString();
    ++found.runs;
    found.different += together.outputs != wanted;
    found.preemptions += together.stats.preemptions;
    found.hits += together.stats.prefixCacheHits;
  }
  return found;
}

TEST(Determinism, TheNeedleIsFoundInEveryHaystack) {
  const Differences found = compare(1, 150, [](LoopSetup&) {});
  EXPECT_EQ(found.different, 0) << "of " << found.runs;
  // What did not happen was not tested.
  EXPECT_GT(found.preemptions, 50u);
  EXPECT_GT(found.hits, 500u);
}

/// As a server without --deterministic.
void servesAsUsual(LoopSetup& setup) {
  setup.deterministic = false;
  setup.numerics = Numerics::kFast;
}

struct Seeded {
  int requests = 0, different = 0;
  uint64_t preemptions = 0, hits = 0;
};

/// Compares requests with a seed of the client's among others in random runs with each of them alone. `told`: the
/// engine hears that the seed is the client's.
Seeded compareSeeded(uint32_t seed, int rounds, bool told, const std::function<void(LoopSetup&)>& change = {}) {
  std::mt19937 random(seed);
  const FakeEngine engine(FakeEngine::Kind::kContexts);
  Seeded found;
  for (int round = 0; round < rounds; ++round) {
    auto requests = someRequests(random, 12);
    LoopSetup alone, setup = randomSetup(random);
    for (LoopSetup* either : {&alone, &setup}) {
      servesAsUsual(*either);
      if (change) change(*either);
    }
    std::vector<bool> seeded;
    std::map<uint64_t, Output> wanted;
    for (auto& request : requests) {
      seeded.push_back(random() % 3 == 0);
      request.seeded = told && seeded.back();
      if (!seeded.back()) continue;
      if (random() % 6 == 0) request.promptLogprobs = 0;
      wanted.merge(runLoop(engine, alone, {request}).outputs);
    }
    std::vector<uint32_t> when(requests.size());
    for (uint32_t& tokens : when) tokens = static_cast<uint32_t>(random() % 80);
    std::sort(when.begin(), when.end());
    const LoopResult together = runLoop(engine, setup, requests, when);
    EXPECT_TRUE(together.status) << together.status.toString();
    for (const auto& [id, output] : wanted) {
      ++found.requests;
      found.different += together.outputs.at(id) != output;
    }
    found.preemptions += together.stats.preemptions;
    found.hits += together.stats.prefixCacheHits;
  }
  return found;
}

TEST(Determinism, ASeedOfTheClientIsEnough) {
  const Seeded found = compareSeeded(8, 150, /*told=*/true);
  EXPECT_EQ(found.different, 0) << "of " << found.requests;
  EXPECT_GT(found.requests, 400);
  EXPECT_GT(found.preemptions, 50u);
  EXPECT_GT(found.hits, 500u);
}

TEST(Determinism, ASeedThatTheEngineDoesNotHearOfIsNot) {
  const Seeded found = compareSeeded(9, 10, /*told=*/false);
  EXPECT_GT(found.different, found.requests / 4);
}

TEST(Determinism, ASeedIsEnoughWhereNoChunkHasRoom) {
  const auto tiny = [](LoopSetup& setup) {
    setup.limits.maxSequences = 4;
    setup.limits.maxTokens = setup.limits.maxRows = 5;
    setup.prefillTokens = 0;
  };
  EXPECT_EQ(compareSeeded(10, 20, /*told=*/true, tiny).different, 0);
  EXPECT_GT(compareSeeded(10, 5, /*told=*/false, tiny).different, 5);
}

TEST(Determinism, WithoutIt) {
  EXPECT_GT(compare(2, 10,
                    [](LoopSetup& setup) {
                      setup.deterministic = false;
                      setup.numerics = Numerics::kFast;
                    })
                .different,
            5);
}

TEST(Determinism, AKernelThatLooksAtItsNeighboursIsNoticed) {
  EXPECT_GT(compare(3, 10, [](LoopSetup&) {}, /*perturbed=*/true).different, 5);
}

TEST(Determinism, OtherChunksAreNoticed) {
  EXPECT_GT(compare(4, 20, [](LoopSetup& setup) { setup.deterministic = false; }).different, 5);
}

TEST(Determinism, SwappedSequencesGoOnWithTheSameTokensInEveryMode) {
  // One chunk a prompt, one variant: only a page that came back wrong could change a token.
  std::mt19937 random(5);
  const FakeEngine engine(FakeEngine::Kind::kContexts);
  uint64_t preemptions = 0;
  int shown = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<server::GenerationRequest> requests;
    for (uint64_t id = 1; id <= 6; ++id) {
      std::vector<int32_t> prompt(2 + random() % 40);
      for (int32_t& token : prompt) token = static_cast<int32_t>(random() % 38);
      requests.push_back(requestOf(id, std::move(prompt), 100));
    }
    LoopSetup setup;
    setup.limits = {400, 400, 8, 200};
    setup.prefixCache = setup.deterministic = false;
    std::map<uint64_t, Output> wanted;
    for (const auto& request : requests) wanted.merge(runLoop(engine, setup, {request}).outputs);
    setup.pages = 24;
    setup.hostPages = 200;
    const LoopResult together = runLoop(engine, setup, requests);
    EXPECT_EQ(together.outputs, wanted) << round;
    preemptions += together.stats.preemptions;
    shown += together.mostSwapped > 0 && together.mostHostUsage > 0;
    EXPECT_EQ(together.stats.swapped + together.stats.hostUsage, 0);
  }
  EXPECT_GT(preemptions, 20u);
  EXPECT_GT(shown, 10) << "rounds in which /metrics says so";
}

TEST(Determinism, ALogitThatIsNotANumberEndsItsRequestAlone) {
  std::mt19937 random(6);
  const FakeEngine engine(FakeEngine::Kind::kContexts);
  auto requests = someRequests(random, 10);
  std::map<uint64_t, Output> wanted;
  for (const auto& request : requests) wanted.merge(runLoop(engine, {}, {request}).outputs);
  requests[4].prompt.assign(30, 5);
  requests[4].prompt[20] = FakeEngine::kPoison;
  requests[4].choices = 2;
  const LoopResult together = runLoop(engine, {}, requests);
  EXPECT_TRUE(together.status);
  const Output failed(2, ChoiceOutput{{}, {}, "RT_LOGITS"});
  EXPECT_EQ(together.outputs.at(5), failed);
  wanted[5] = failed;
  EXPECT_EQ(together.outputs, wanted);
  EXPECT_EQ(together.stats.running, 0u);
  EXPECT_EQ(together.stats.kvUsage, 0);
}

/// Greedy rows whose logits nobody reads: the hand-made heads leave NaN in them.
TEST(Determinism, TilesGiveTheTokensThatLogitsGive) {
  std::mt19937 random(7);
  const FakeEngine engine(FakeEngine::Kind::kContexts);
  for (int round = 0; round < 10; ++round) {
    auto requests = someRequests(random, 12);
    for (auto& request : requests) request.sampling.logprobs = 0;
    auto wanted = runLoop(engine, {}, requests).outputs;
    size_t plain = 0;
    for (auto& request : requests) {
      request.sampling.logprobs = -1;
      plain += !request.sampling.needsLogits();
      for (ChoiceOutput& choice : wanted.at(request.id)) choice.logprobs.clear();
    }
    EXPECT_GT(plain, 0u);
    EXPECT_LT(plain, requests.size());
    EXPECT_EQ(runLoop(engine, randomSetup(random), requests).outputs, wanted) << "round " << round;
  }
}

TEST(Determinism, ALogitThatIsNotANumberEndsItsRequestInTilesToo) {
  const FakeEngine engine(FakeEngine::Kind::kContexts);
  std::vector<server::GenerationRequest> requests = {requestOf(1, {1, 2, FakeEngine::kPoison}, 5),
                                                     requestOf(2, {1, 2}, 5)};
  for (auto& request : requests) {
    request.sampling.temperature = 0;
    request.sampling.logprobs = -1;
  }
  const LoopResult together = runLoop(engine, {}, requests);
  EXPECT_TRUE(together.status);
  EXPECT_EQ(together.outputs.at(1), (Output{ChoiceOutput{{}, {}, "RT_LOGITS"}}));
  EXPECT_EQ(together.outputs.at(2)[0].tokens.size(), 5u);
}

}  // namespace
}  // namespace llmc::rt::serving::test
