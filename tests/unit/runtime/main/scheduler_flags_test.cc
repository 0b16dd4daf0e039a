// Flags to the scheduler's numbers, on a real session.
#include "runtime/main/scheduler_flags.h"

#include "runtime/device/machine_memory.h"
#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

TEST_F(Run, TheSchedulerIsTheOneAskedFor) {
  Flags flags;
  flags.engine = engine_.path();
  flags.threads = 1;
  auto session = Session::open(flags, {.text = false, .sequences = 4, .sharedKv = true, .rows = 64});
  ASSERT_TRUE(session) << session.status().toString();
  flags.maxQueue = 7;
  flags.policy = "mlfq";
  flags.prefixCache = false;
  flags.deterministic = true;
  flags.preempt = "swap";
  flags.swapSpace = 10 * (*session)->kv().pageBytes() + 1;
  flags.swapSpaceGiven = true;
  const auto config = schedulerConfigOf(flags, **session);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->policy, Policy::kMlfq);
  EXPECT_EQ(config->preempt, PreemptMode::kSwap);
  EXPECT_EQ(config->hostPages, 10u);
  EXPECT_EQ(config->maxQueue, 7u);
  EXPECT_FALSE(config->prefixCache);
  EXPECT_TRUE(config->deterministic);
  EXPECT_EQ(config->pages, (*session)->kv().pages());
  flags.swapSpace = 1;
  EXPECT_EQ(schedulerConfigOf(flags, **session).status().code(), "CLI_FLAG");
  flags.swapSpace = uint64_t{1} << 50;
  EXPECT_EQ(schedulerConfigOf(flags, **session).status().code(), "RT_SWAP_SPACE");
  flags.swapSpaceGiven = false;
  const uint64_t taken = schedulerConfigOf(flags, **session)->hostPages * (*session)->kv().pageBytes();
  EXPECT_LT(taken, machineMemory().total) << "without a wish the default bends";
  flags.preempt = "recompute";
  EXPECT_EQ(schedulerConfigOf(flags, **session)->hostPages, 0u);
  flags.trace = "trace.json";
  flags.maxSequences = 10'000;
  EXPECT_GE(schedulerConfigOf(flags, **session)->traceEvents, 20'000u) << "admissions and ends of one step";
}

}  // namespace
}  // namespace llmc::rt::test
