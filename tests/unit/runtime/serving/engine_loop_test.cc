// The loop over the hand-made engine: tokens in order, ends with their reason, refusals, failures, cancellation.
// Tests: engine_loop_sampling.cc.
#include "runtime/serving/engine_loop.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <condition_variable>
#include <functional>
#include <future>
#include <thread>

#include "runtime/device/memory.h"
#include "tests/unit/runtime/exec/fake_engine.h"
#include "tests/unit/runtime/serving/loop_runner.h"

namespace llmc::rt::serving {
namespace {

using rt::test::FakeEngine;
using server::FinishReason;

/// Collects the events of one generation.
class Collector final : public server::GenerationSink {
 public:
  void deliver(server::GenerationEvent event) override {
    const std::lock_guard lock(mutex_);
    if (auto* token = std::get_if<server::TokenEvent>(&event)) {
      tokens.push_back(token->token);
      if (token->finish != FinishReason::kNone) reasons.push_back(token->finish);
    } else if (auto* prompt = std::get_if<server::PromptEvent>(&event)) {
      EXPECT_TRUE(tokens.empty());
      ++prompts;
      cached = prompt->cachedTokens;
      promptLogprobs = prompt->logprobs.size();
    } else if (auto* error = std::get_if<server::ErrorEvent>(&event)) {
      errors.push_back(error->status.code());
    } else {
      reasons.push_back(std::get<server::FinishEvent>(event).reason);
    }
    changed_.notify_all();
  }
  bool waitFor(const std::function<bool()>& done) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), done);
  }

  std::vector<int32_t> tokens;
  std::vector<FinishReason> reasons;
  std::vector<std::string> errors;
  size_t promptLogprobs = 0;
  uint32_t prompts = 0, cached = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

/// Holds the engine's thread at each token of the first choice, in the middle of a step, until the test lets it go on.
class Gate final : public server::GenerationSink {
 public:
  void deliver(server::GenerationEvent event) override {
    const auto* token = std::get_if<server::TokenEvent>(&event);
    if (!token || token->choice != 0) return;
    std::unique_lock lock(mutex_);
    ++held_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return held_ <= passed_; });
  }
  bool waitForToken(uint32_t number) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return held_ == number; });
  }
  void pass(uint32_t tokens) {
    const std::lock_guard lock(mutex_);
    passed_ += tokens;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint32_t held_ = 0, passed_ = 0;
};

class Serving : public testing::Test {
 protected:
  static constexpr uint32_t kPages = 64;

  void start(bool failing = false, uint32_t maxQueue = 100) {
    engine_.failing = failing;
    std::promise<void> ready;
    auto made = ready.get_future();
    thread_ = std::thread([this, maxQueue, &ready] {
      auto pool = WorkerPool::create({.threads = 2}).take();
      auto kv = KvStore::create(FakeEngine::kPageBytes, kPages).take();
      const StepLimits limits{32, 32, 8, 200};
      auto executor = Executor::create(engine_.source(), *pool, limits, {kv->base(), kPages}).take();
      SchedulerConfig config;
      config.limits = limits;
      config.pages = kPages;
      config.maxQueue = maxQueue;
      server::ModelFacts facts;
      facts.names = {"fake"};
      facts.context = 200;
      loop_ = EngineLoop::create(*executor, *kv, facts, config).take();
      ready.set_value();
      ended_ = loop_->run();
    });
    made.wait();
  }
  void TearDown() override {
    if (loop_) loop_->stop();
    if (thread_.joinable()) thread_.join();
  }
  server::GenerationRequest request(uint64_t id, std::vector<int32_t> prompt, uint32_t maxTokens) {
    server::GenerationRequest request;
    request.id = id;
    request.prompt = std::move(prompt);
    request.maxTokens = maxTokens;
    request.sampling.temperature = 0;
    return request;
  }
  /// Sets logits growing with the token id for a positive sum: greedy takes the last token of the vocabulary.
  static constexpr int32_t kBest = static_cast<int32_t>(rt::test::kVocabulary) - 1;

  FakeEngine engine_;
  std::unique_ptr<EngineLoop> loop_;
  std::thread thread_;
  Status ended_ = Status::ok();
};

TEST_F(Serving, TokensComeInOrderWithOneEnd) {
  start();
  std::vector<std::shared_ptr<Collector>> all;
  for (uint64_t id = 1; id <= 20; ++id) {
    all.push_back(std::make_shared<Collector>());
    ASSERT_TRUE(
        loop_->submit(request(id, {1, 2, static_cast<int32_t>(id % 9)}, static_cast<uint32_t>(id)), all.back()));
  }
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_TRUE(all[i]->waitFor([&] { return !all[i]->reasons.empty(); })) << i;
    EXPECT_EQ(all[i]->tokens, std::vector<int32_t>(i + 1, kBest));
    EXPECT_EQ(all[i]->reasons, std::vector<FinishReason>{FinishReason::kLength});
    EXPECT_EQ(all[i]->prompts, 1u);
  }
}

TEST_F(Serving, StopIdsEndEachChoiceAndPromptsAreScored) {
  start();
  auto sink = std::make_shared<Collector>();
  auto asked = request(1, {1, 2, 3, 4}, 50);
  asked.choices = 3;
  asked.stopIds = {kBest};
  asked.promptLogprobs = 2;
  ASSERT_TRUE(loop_->submit(asked, sink));
  ASSERT_TRUE(sink->waitFor([&] { return sink->reasons.size() == 3; }));
  EXPECT_EQ(sink->reasons, std::vector<FinishReason>(3, FinishReason::kStop));
  EXPECT_EQ(sink->promptLogprobs, 3u);
}

TEST_F(Serving, ALaterPromptFindsTheFirstOnesPages) {
  start();
  std::vector<int32_t> prompt(40, 3);
  for (uint32_t round = 0; round < 2; ++round) {
    auto sink = std::make_shared<Collector>();
    ASSERT_TRUE(loop_->submit(request(round + 1, prompt, 2), sink));
    ASSERT_TRUE(sink->waitFor([&] { return !sink->reasons.empty(); }));
    EXPECT_EQ(sink->cached, round == 0 ? 0u : 32u);
  }
  EXPECT_GT(loop_->stats().prefixCacheHits, 0u);
}

TEST_F(Serving, CancelledGenerationsGiveTheirPagesBack) {
  start();
  std::vector<std::shared_ptr<Collector>> all;
  for (uint64_t id = 1; id <= 6; ++id) {
    all.push_back(std::make_shared<Collector>());
    ASSERT_TRUE(loop_->submit(request(id, {1, 2, 3}, 150), all.back()));
  }
  ASSERT_TRUE(all[0]->waitFor([&] { return !all[0]->tokens.empty(); }));
  for (uint64_t id = 1; id <= 6; ++id) loop_->cancel(id, server::kAllChoices);
  for (int i = 0; i < 500 && loop_->stats().running > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(loop_->stats().running, 0u);
  EXPECT_EQ(loop_->stats().kvUsage, 0);
}

TEST_F(Serving, WhatCannotFitIsRefusedAtOnce) {
  start();
  const Status refused = loop_->submit(request(1, std::vector<int32_t>(100, 1), 2000), std::make_shared<Collector>());
  EXPECT_EQ(refused.code(), server::kKvCapacity);
  EXPECT_EQ(refused.hint(), "ask for at most 1024 tokens");
}

TEST_F(Serving, MoreAnswersThanFitTogetherTakeTurns) {
  start();
  auto sink = std::make_shared<Collector>();
  auto asked = request(1, std::vector<int32_t>(100, 1), 90);
  asked.choices = 20;  // of 8 that may run, of 12 pages each, of 64
  ASSERT_TRUE(loop_->submit(asked, sink));
  ASSERT_TRUE(sink->waitFor([&] { return sink->reasons.size() == 20; }));
  EXPECT_EQ(sink->reasons, std::vector<FinishReason>(20, FinishReason::kLength));
  EXPECT_EQ(sink->tokens.size(), 20u * 90);
  EXPECT_EQ(sink->prompts, 1u);
  // Numbers come after the last token.
  for (int i = 0; i < 500 && loop_->stats().kvUsage > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(loop_->stats().kvUsage, 0);
}

TEST_F(Serving, AFullQueueIsKnownWhileTheStepRuns) {
  start(/*failing=*/false, /*maxQueue=*/4);
  auto gate = std::make_shared<Gate>();
  auto all = request(1, {1, 2, 3}, 100);
  all.choices = 8;  // every slot
  ASSERT_TRUE(loop_->submit(all, gate));
  ASSERT_TRUE(gate->waitForToken(1));
  for (uint64_t id = 2; id <= 5; ++id)
    ASSERT_TRUE(loop_->submit(request(id, {1, 2}, 1), std::make_shared<Collector>())) << id;
  EXPECT_EQ(loop_->submit(request(6, {1, 2}, 1), std::make_shared<Collector>()).code(), server::kQueueFull);
  gate->pass(1);
  // This step has taken the four out of the inbox and is not over.
  ASSERT_TRUE(gate->waitForToken(2));
  EXPECT_EQ(loop_->submit(request(7, {1, 2}, 1), std::make_shared<Collector>()).code(), server::kQueueFull);
  EXPECT_EQ(loop_->stats().waiting, 4u);
  EXPECT_GE(loop_->stats().retryAfterSeconds, 1u);
  loop_->cancel(1, server::kAllChoices);
  gate->pass(200);
}

TEST_F(Serving, AStepThatFailsEndsEverythingAndIsTold) {
  start(/*failing=*/true);
  auto sink = std::make_shared<Collector>();
  EXPECT_TRUE(loop_->works());
  ASSERT_TRUE(loop_->submit(request(1, {1, 2}, 5), sink));
  ASSERT_TRUE(sink->waitFor([&] { return !sink->errors.empty(); }));
  EXPECT_FALSE(loop_->works()) << "who hears of the failure finds the server not ready";
  EXPECT_EQ(sink->errors, std::vector<std::string>{"RT_KERNEL"});
  thread_.join();
  EXPECT_EQ(ended_.code(), "RT_KERNEL");
  EXPECT_EQ(loop_->submit(request(2, {1}, 5), sink).code(), "SV_BROKEN");
}

TEST(EngineLoop, PagesAreReadyBeforeTheStepThatComesToThem) {
  FakeEngine engine;
  test::LoopSetup setup;
  const std::vector<server::GenerationRequest> asked{test::requestOf(1, std::vector<int32_t>(40, 3), 8)};
  EXPECT_EQ(test::runLoop(engine, setup, asked).kvReady, 0u);
  setup.memoryAhead = true;
  EXPECT_GE(test::runLoop(engine, setup, asked).kvReady, 3 * FakeEngine::kPageBytes) << "48 tokens are 3 pages";
}

/// Whether the byte at `at` has physical memory; asked of the kernel, so any thread may.
bool resident(uint8_t* at) {
  unsigned char page = 0;
  return mincore(at, 4096, &page) == 0 && (page & 1);
}

TEST(EngineLoop, MemoryAheadIsMadeReadyWhileNobodyAsks) {
  constexpr uint32_t kPages = 4 * kHugePageBytes / FakeEngine::kPageBytes;
  FakeEngine engine;
  auto pool = WorkerPool::create({.threads = 1, .pin = false}).take();
  auto kv = KvStore::create(FakeEngine::kPageBytes, kPages).take();
  auto probe = Arena::map(kHugePageBytes, "a probe").take();
  populate(probe.data(), probe.size());
  if (!resident(probe.data())) GTEST_SKIP() << "the kernel has no MADV_POPULATE_WRITE";
  const StepLimits limits{32, 32, 8, 200};
  auto executor = Executor::create(engine.source(), *pool, limits, {kv->base(), kPages}).take();
  MemoryAhead memory(*pool, {}, *kv, 2 * kHugePageBytes);
  SchedulerConfig config;
  config.limits = limits;
  config.pages = kPages;
  server::ModelFacts facts;
  facts.names = {"fake"};
  facts.context = 200;
  LoopExtras extras;
  extras.memory = &memory;
  auto loop = EngineLoop::create(*executor, *kv, facts, config, std::move(extras)).take();
  std::thread thread([&] { EXPECT_TRUE(loop->run()); });
  uint8_t* const last = kv->base() + 2 * kHugePageBytes - 4096;
  for (int i = 0; i < 10000 && !resident(last); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  loop->stop();
  thread.join();
  EXPECT_EQ(memory.kvReady(), 2 * kHugePageBytes);
}

}  // namespace
}  // namespace llmc::rt::serving
