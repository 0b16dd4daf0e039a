// Whole steps on the hand-made engine: mixed batches, scattered pages, chunking, no allocation, failing kernels.
#include "runtime/exec/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>

#include "tests/unit/runtime/exec/fake_engine.h"

namespace {
std::atomic<uint64_t> allocations{0};
}  // namespace

// Counts every allocation of the test program; the step loop must make none. The thread sanitizer has its own operator
// new and refuses another.
#if __has_feature(thread_sanitizer)
constexpr bool kCountsAllocations = false;
#else
constexpr bool kCountsAllocations = true;

void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#endif

namespace llmc::rt {
namespace {

using test::FakeEngine;

struct Machine {
  FakeEngine engine;
  std::unique_ptr<WorkerPool> pool;
  Arena kv;
  std::unique_ptr<Executor> executor;

  explicit Machine(int threads = 2, StepLimits limits = {16, 8, 4, 200}) {
    pool = WorkerPool::create({.threads = threads}).take();
    kv = Arena::map(64 * FakeEngine::kPageBytes, "test").take();
    auto made = Executor::create(engine.source(), *pool, limits, {kv.data(), 64});
    EXPECT_TRUE(made) << made.status().toString();
    executor = made.take();
  }
};

TEST(Executor, RunsAMixedBatchOnScatteredPages) {
  for (int threads : {1, 3}) {
    Machine setup(threads);
    const std::vector<int32_t> first = {1, 2, 3}, second = {10, 20};
    const std::vector<int32_t> pagesA = {63, 5}, pagesB = {17};
    const StepSequence prompts[] = {{first, pagesA, 0, RowChoice::kLast, {}}, {second, pagesB, 0, RowChoice::kAll, {}}};
    ASSERT_TRUE(setup.executor->step(prompts));
    ASSERT_EQ(setup.executor->rows(), 3u);
    // T = 5 runs the wide program (+0.5), S = 3 the second variant.
    EXPECT_EQ(setup.executor->logits(0)[0], 6 + 2000.5f);
    EXPECT_EQ(setup.executor->logits(1)[39], 10 * 40 + 2000.5f);
    EXPECT_EQ(setup.executor->logits(2)[1], 30 * 2 + 2000.5f);

    // Decode one more of the first: the narrow program, the first variant, the sum over both steps.
    const std::vector<int32_t> next = {4};
    const StepSequence decode[] = {{next, pagesA, 3, RowChoice::kLast, {}}};
    ASSERT_TRUE(setup.executor->step(decode));
    EXPECT_EQ(setup.executor->logits(0)[2], 10 * 3 + 1000.0f);
  }
}

TEST(Executor, GivesTheLargestLogitsOfRowsWhoseLogitsNobodyReads) {
  Machine setup;
  const std::vector<int32_t> first = {1, 2, 3}, second = {10, 20};
  const std::vector<int32_t> pagesA = {63, 5}, pagesB = {17};
  const StepSequence step[] = {{first, pagesA, 0, RowChoice::kLast, {}, /*apart=*/false, /*logits=*/false},
                               {second, pagesB, 0, RowChoice::kLast, {}}};
  ASSERT_TRUE(setup.executor->step(step));
  // logits[v] = sum * (v + 1) + 2000.5: the last token of each tile of 16, the 40th token in all.
  const auto tiles = setup.executor->tiles(0);
  EXPECT_EQ(std::vector<float>(tiles.begin(), tiles.end()),
            (std::vector<float>{6 * 16 + 2000.5f, 6 * 32 + 2000.5f, 6 * 40 + 2000.5f, 15, 31, 39}));
  EXPECT_EQ(setup.executor->tiles(1)[2], 30 * 40 + 2000.5f);
  EXPECT_TRUE(std::isnan(setup.executor->logits(0)[0]));
  EXPECT_EQ(setup.executor->logits(1)[39], setup.executor->tiles(1)[2]);
}

TEST(Executor, ChunksGiveTheSameAnswerAsOneStep) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 40; ++i) ids.push_back(i % 7 + 1);
  const std::vector<int32_t> pages = {9, 1, 30};
  int32_t sum = 0;
  for (int32_t id : ids) sum += id;
  for (uint32_t chunk : {1u, 3u, 4u, 5u, 13u, 16u}) {
    Machine setup;
    for (uint32_t at = 0; at < ids.size(); at += chunk) {
      const auto part = std::span(ids).subspan(at, std::min<size_t>(chunk, ids.size() - at));
      const bool last = at + part.size() == ids.size();
      const StepSequence step[] = {{part, pages, at, last ? RowChoice::kLast : RowChoice::kNone, {}}};
      ASSERT_TRUE(setup.executor->step(step));
      ASSERT_EQ(setup.executor->rows(), last ? 1u : 0u);
    }
    EXPECT_NEAR(setup.executor->logits(0)[0], static_cast<float>(sum) + 1000, 0.6) << chunk;
  }
}

TEST(Executor, InvariantNumericsAreThoseOfTheWidestProgram) {
  Machine setup;
  auto executor =
      Executor::create(setup.engine.source(), *setup.pool, {16, 8, 4, 200}, {setup.kv.data(), 64}, Numerics::kInvariant)
          .take();
  const std::vector<int32_t> ids = {1, 2, 3, 4, 5, 6}, pages = {2};
  for (const size_t count : {1u, 6u}) {
    const StepSequence step[] = {{std::span(ids).first(count), pages, 0, RowChoice::kLast, {}, /*apart=*/true}};
    ASSERT_TRUE(executor->step(step));
    // Wide program (+0.5), second variant, whatever the number of tokens.
    EXPECT_EQ(executor->logits(0)[0], static_cast<float>(count * (count + 1) / 2) + 2000.5f);
  }
}

TEST(Executor, OneExactSequenceMakesItsStepInvariantAndNoOther) {
  Machine setup;
  EXPECT_TRUE(setup.executor->exactSteps());
  const std::vector<int32_t> ids = {3}, pagesA = {2}, pagesB = {5};
  StepSequence step[] = {{ids, pagesA, 0, RowChoice::kLast, {}}, {ids, pagesB, 0, RowChoice::kLast, {}}};
  for (const bool exact : {false, true, false}) {
    step[1].exact = exact;
    ASSERT_TRUE(setup.executor->step(step));
    // The wide program (+0.5) and its last variant, whoever of them asked for it.
    for (const uint32_t row : {0u, 1u}) EXPECT_EQ(setup.executor->logits(row)[0], exact ? 2003.5f : 2003.0f);
    ASSERT_TRUE(setup.executor->step(std::span(step).last(1)));
    EXPECT_EQ(setup.executor->logits(0)[0], exact ? 2003.5f : 1003.0f);
  }
}

TEST(Executor, StepsAllocateNothing) {
  if (!kCountsAllocations) GTEST_SKIP() << "allocations cannot be counted under the thread sanitizer";
  Machine setup;
  const std::vector<int32_t> ids = {1, 2, 3, 4, 5}, pages = {2};
  const StepSequence prompt[] = {{ids, pages, 0, RowChoice::kLast, {}}};
  const StepSequence decode[] = {{std::span(ids).first(1), pages, 5, RowChoice::kLast, {}}};
  ASSERT_TRUE(setup.executor->step(prompt));
  const uint64_t before = allocations;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(setup.executor->step(decode));
    ASSERT_TRUE(setup.executor->step(prompt));
  }
  EXPECT_EQ(allocations, before);
}

TEST(Executor, BadStepsRunNothing) {
  Machine setup;
  const std::vector<int32_t> bad = {1, static_cast<int32_t>(test::kVocabulary)}, pages = {2};
  const StepSequence step[] = {{bad, pages, 0, RowChoice::kLast, {}}};
  EXPECT_EQ(setup.executor->step(step).code(), "RT_TOKEN_ID");
  EXPECT_EQ(setup.kv.data()[2 * FakeEngine::kPageBytes + FakeEngine::kLayerBytes], 0);
}

TEST(Executor, AFailingKernelIsAnError) {
  Machine setup;
  setup.engine.failing = true;
  auto executor = Executor::create(setup.engine.source(), *setup.pool, {16, 8, 4, 200}, {setup.kv.data(), 64}).take();
  const std::vector<int32_t> ids = {1}, pages = {2};
  const StepSequence step[] = {{ids, pages, 0, RowChoice::kLast, {}}};
  const Status status = executor->step(step);
  EXPECT_EQ(status.code(), "RT_KERNEL");
  EXPECT_EQ(exitStatus(status.kind()), 70);
}

TEST(Executor, RefusesImpossibleLimits) {
  Machine setup;
  for (StepLimits limits : {StepLimits{0, 1, 1, 10}, StepLimits{8, 9, 1, 10}, StepLimits{8, 1, 9, 10},
                            StepLimits{8, 0, 1, 10}, StepLimits{8, 1, 1, 0}, StepLimits{1u << 30, 1, 1, 10}}) {
    auto executor = Executor::create(setup.engine.source(), *setup.pool, limits, {setup.kv.data(), 64});
    ASSERT_FALSE(executor);
    EXPECT_EQ(executor.status().code(), "RT_LIMITS");
  }
}

TEST(Executor, WorkspaceIsExact) {
  Machine setup;
  EXPECT_EQ(setup.executor->workspaceBytes(), *workspaceBytes(setup.engine.plan(), setup.executor->limits(), 2));
  EXPECT_EQ(setup.executor->vocabulary(), test::kVocabulary);
}

}  // namespace
}  // namespace llmc::rt
