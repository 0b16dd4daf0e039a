// Sums over steps: calls, rows by the dimension of the kernel, what attention reads, times that add up.
#include "runtime/exec/step_profile.h"

#include <gtest/gtest.h>

#include "runtime/exec/executor.h"
#include "tests/unit/runtime/exec/fake_engine.h"

namespace llmc::rt {
namespace {

TEST(StepProfile, AddsUpTheStepsWhileItIsSet) {
  test::FakeEngine engine;
  auto pool = WorkerPool::create({.threads = 2}).take();
  auto kv = Arena::map(64 * test::FakeEngine::kPageBytes, "test").take();
  auto executor = Executor::create(engine.source(), *pool, {16, 8, 4, 200}, {kv.data(), 64}).take();
  const std::vector<int32_t> ids = {1, 2, 3}, pages = {5};
  const StepSequence step[] = {{ids, pages, 0, RowChoice::kAll, {}}};

  StepProfile profile;
  ASSERT_TRUE(executor->step(step));
  executor->measure(&profile);
  ASSERT_TRUE(executor->step(step));
  ASSERT_TRUE(executor->step(step));
  executor->measure(nullptr);
  ASSERT_TRUE(executor->step(step));

  EXPECT_EQ(profile.steps(), 2u);
  ASSERT_EQ(profile.kernels().size(), 3u);
  double sum = profile.waitTicks() + profile.idleTicks();
  for (const auto& [key, entry] : profile.kernels()) {
    EXPECT_EQ(entry.calls, 2u);
    EXPECT_EQ(entry.rows, 6u);
    EXPECT_EQ(entry.context, 6);
    EXPECT_EQ(entry.attended, 2 * (1 + 2 + 3));
    EXPECT_GE(entry.slowest, entry.ticks);
    sum += entry.ticks;
  }
  EXPECT_NEAR(profile.ticks(), sum, 1e-6 * sum);
  EXPECT_GT(profile.idleTicks(), 0);
  EXPECT_EQ(profile.phases().size(), 3u);
  double walks = profile.idleTicks();
  for (const auto& [key, phase] : profile.phases()) {
    EXPECT_EQ(key.size(), 1u);
    EXPECT_EQ(phase.count, 2u);
    EXPECT_GE(phase.waitTicks, 0);
    walks += phase.ticks;
  }
  EXPECT_NEAR(profile.ticks(), walks, 1e-6 * walks);
  EXPECT_EQ(profile.kernels().rbegin()->first.second, 1u);  // logits of 3 rows: the second variant
}

TEST(StepProfile, AWindowHidesOldTokens) {
  test::FakeEngine engine;
  auto pool = WorkerPool::create({.threads = 1}).take();
  auto kv = Arena::map(64 * test::FakeEngine::kPageBytes, "test").take();
  auto executor = Executor::create(engine.source(), *pool, {16, 8, 4, 200}, {kv.data(), 64}).take();
  const std::vector<int32_t> ids = {1, 2, 3, 4, 5}, pages = {5};
  StepProfile chunk(2), token(2);
  executor->measure(&chunk);
  const StepSequence all[] = {{ids, pages, 0, RowChoice::kLast, {}}};
  ASSERT_TRUE(executor->step(all));
  executor->measure(&token);
  const StepSequence last[] = {{std::span(ids).last(1), pages, 4, RowChoice::kLast, {}}};
  ASSERT_TRUE(executor->step(last));
  executor->measure(nullptr);
  const auto& ofChunk = chunk.kernels().begin()->second;
  EXPECT_EQ(ofChunk.context, 5);
  EXPECT_EQ(ofChunk.attended, 1 + 2 + 2 + 2 + 2);
  const auto& ofToken = token.kernels().begin()->second;
  EXPECT_EQ(ofToken.context, 2);
  EXPECT_EQ(ofToken.attended, 2);
}

}  // namespace
}  // namespace llmc::rt
