// Configurations under which somebody would wait for ever are refused, each with its numbers.
#include "runtime/sched/scheduler_config.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "scheduler_driver.h"

namespace llmc::rt {
namespace {

void expectRefused(const char* text, const std::function<void(SchedulerConfig&)>& change) {
  SchedulerConfig config = smallConfig();
  change(config);
  const Status status = checkConfig(config);
  ASSERT_FALSE(status) << text;
  EXPECT_EQ(status.code(), "RT_SCHEDULER");
  EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
  EXPECT_FALSE(Scheduler::create(config));
}

TEST(SchedulerConfig, AcceptsTheTestsOwn) { EXPECT_TRUE(checkConfig(smallConfig())); }

TEST(SchedulerConfig, RefusesWhatCannotWork) {
  expectRefused("--max-num-seqs", [](auto& c) { c.limits.maxSequences = 0; });
  expectRefused("--max-num-batched-tokens is 3", [](auto& c) { c.limits.maxTokens = 3; });
  expectRefused("logit rows is 3", [](auto& c) { c.limits.maxRows = 3; });
  expectRefused("--max-model-len is 1, at least 2 is needed", [](auto& c) { c.limits.maxContext = 1; });
  expectRefused("KV pages is 7, at least one context of 8", [](auto& c) { c.pages = 7; });
  expectRefused("--max-queue", [](auto& c) { c.maxQueue = 0; });
  expectRefused("mlfq", [](auto& c) { c.policy = Policy::kMlfq, c.mlfqLevels = 0; });
  expectRefused("mlfq", [](auto& c) { c.policy = Policy::kMlfq, c.mlfqQuantum = 0; });
  expectRefused("--max-num-seqs + 2 = 6", [](auto& c) { c.deterministic = true, c.limits.maxTokens = 5; });
  expectRefused("logit rows is 5", [](auto& c) { c.deterministic = true, c.limits.maxRows = 5; });
  expectRefused("prompt tokens a step is 2", [](auto& c) { c.deterministic = true, c.prefillTokens = 2; });
  expectRefused("--prompt-stretch", [](auto& c) { c.promptStretch = 1; });
  expectRefused("starvation", [](auto& c) { c.starvationSeconds = -1; });
  expectRefused("starvation", [](auto& c) { c.starvationSeconds = std::numeric_limits<double>::quiet_NaN(); });
}

}  // namespace
}  // namespace llmc::rt
