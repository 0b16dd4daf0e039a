// The generation loop on the hand-made engine of the executor's tests, where the likeliest token is always the last
// one.
#include "runtime/main/generator.h"

#include <gtest/gtest.h>

#include "runtime/kv/kv_store.h"
#include "tests/unit/runtime/exec/fake_engine.h"

namespace llmc::rt {
namespace {

using test::FakeEngine;
constexpr int32_t kBest = static_cast<int32_t>(test::kVocabulary) - 1;

struct Machine {
  FakeEngine engine;
  std::unique_ptr<WorkerPool> pool = WorkerPool::create({.threads = 2}).take();
  std::unique_ptr<KvStore> kv = KvStore::create(FakeEngine::kPageBytes, 16).take();
  std::unique_ptr<Executor> executor = Executor::create(engine.source(), *pool, {8, 2, 2, 60}, {kv->base(), 16}).take();
  SequenceCache cache{*kv, 60};
  std::vector<int32_t> prompt = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};

  GenerationRequest request() {
    GenerationRequest request;
    request.prompt = prompt;
    request.params.temperature = 0;
    request.maxTokens = 4;
    return request;
  }
};

TEST(Generator, RunsThePromptInChunksThenDecodes) {
  Machine machine;
  auto got = generate(*machine.executor, machine.cache, machine.request());
  ASSERT_TRUE(got) << got.status().toString();
  EXPECT_EQ(got->ids, (std::vector<int32_t>(4, kBest)));
  EXPECT_EQ(got->finish, FinishReason::kLength);
  EXPECT_EQ(got->prefilled, 13u);
  EXPECT_EQ(machine.cache.length(), 13u + 3u);  // the last token was never run
  // The last decode saw the whole sequence: sum of ids 91 + 3 * 39, first variant of the narrow program; of it
  // only the largest of each tile, here the 16th logit, as the choice is greedy.
  EXPECT_EQ(machine.executor->tiles(0)[0], (91 + 3 * kBest) * 16 + 1000.0f);
}

TEST(Generator, CachedTokensAreNotRunAgain) {
  Machine machine;
  ASSERT_TRUE(prefill(*machine.executor, machine.cache, std::span(machine.prompt).first(9)));
  auto got = generate(*machine.executor, machine.cache, machine.request());
  ASSERT_TRUE(got);
  EXPECT_EQ(got->prefilled, 4u);
  EXPECT_EQ(machine.executor->tiles(0)[0], (91 + 3 * kBest) * 16 + 1000.0f);
}

TEST(Generator, StopsAtAnEndTokenAndKeepsIt) {
  Machine machine;
  auto request = machine.request();
  request.eosIds = {3, kBest};
  auto got = generate(*machine.executor, machine.cache, request);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->ids, (std::vector<int32_t>{kBest}));
  EXPECT_EQ(got->finish, FinishReason::kStop);
}

TEST(Generator, MinTokensPutsTheEndOff) {
  Machine machine;
  auto request = machine.request();
  request.eosIds = {kBest};
  request.params.minTokens = 2;
  auto got = generate(*machine.executor, machine.cache, request);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->ids, (std::vector<int32_t>{kBest - 1, kBest - 1, kBest}));
}

TEST(Generator, EndsWhereTheContextEnds) {
  Machine machine;
  auto request = machine.request();
  request.maxTokens = 1000;
  auto got = generate(*machine.executor, machine.cache, request);
  ASSERT_TRUE(got) << got.status().toString();
  EXPECT_EQ(got->ids.size(), 60u - 13u);
  EXPECT_EQ(got->finish, FinishReason::kLength);
}

TEST(Generator, InterruptionIsSeenBeforeEachStepOfThePrompt) {
  Machine machine;
  const std::atomic<bool> interrupted{true};
  auto request = machine.request();
  request.interrupted = &interrupted;
  auto got = generate(*machine.executor, machine.cache, request);
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->ids.empty());
  EXPECT_EQ(machine.cache.length(), 0u);
  EXPECT_STREQ(finishName(got->finish), "abort");
}

TEST(Generator, OneEntryOfLogprobsAToken) {
  Machine machine;
  auto request = machine.request();
  request.params.logprobs = 3;
  auto got = generate(*machine.executor, machine.cache, request);
  ASSERT_TRUE(got);
  ASSERT_EQ(got->logprobs.size(), 4u);
  EXPECT_EQ(got->logprobs[0].top.size(), 3u);
  EXPECT_EQ(got->logprobs[0].top[0].first, kBest);
}

TEST(Generator, PenaltiesMoveTheChoice) {
  Machine machine;
  auto request = machine.request();
  // Each use costs two: neighbouring logits are 91 and more apart at first, so divide them instead.
  request.params.repetitionPenalty = 3;
  auto got = generate(*machine.executor, machine.cache, request);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->ids, (std::vector<int32_t>{kBest, kBest - 1, kBest - 2, kBest - 3}));
}

TEST(Generator, AFailedStepIsAnErrorAndTakesItsTokensBack) {
  Machine machine;
  machine.engine.failing = true;
  auto executor =
      Executor::create(machine.engine.source(), *machine.pool, {8, 2, 2, 60}, {machine.kv->base(), 16}).take();
  auto got = generate(*executor, machine.cache, machine.request());
  ASSERT_FALSE(got);
  EXPECT_EQ(got.status().code(), "RT_KERNEL");
  EXPECT_EQ(machine.cache.length(), 8u);  // the chunk that went well
}

}  // namespace
}  // namespace llmc::rt
