// Sums over steps: calls, rows by the dimension of the kernel, times that add up.
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
  double sum = profile.waitTicks();
  for (const auto& [key, entry] : profile.kernels()) {
    EXPECT_EQ(entry.calls, 2u);
    EXPECT_EQ(entry.rows, 6u);
    EXPECT_GE(entry.slowest, entry.ticks);
    sum += entry.ticks;
  }
  EXPECT_DOUBLE_EQ(profile.ticks(), sum);
  EXPECT_EQ(profile.kernels().rbegin()->first.second, 1u);  // logits of 3 rows: the second variant
}

}  // namespace
}  // namespace llmc::rt
