// Loads whose times can be worked out by hand, and the effects a planner asks about.
#include "runtime/sched/load_simulation.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "scheduler_driver.h"

namespace llmc::rt {
namespace {

MeasuredStepCost constantCost(double seconds) { return MeasuredStepCost::create({{{1, seconds}}, {}}).take(); }
/// A millisecond a token.
MeasuredStepCost tokenCost() { return MeasuredStepCost::create({{{1, 0.001}, {1000, 1.0}}, {}}).take(); }

TEST(LoadSimulation, TimesOfOneRequest) {
  const std::vector<TraceRequest> trace = {{5, 10, 5, 0, 0, 0, 0}};
  const auto report = simulateLoad(trace, smallConfig(), constantCost(0.01));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->completed, 1u);
  EXPECT_NEAR(report->ttft.mean, 10, 1e-6);
  EXPECT_NEAR(report->itl.most, 10, 1e-6);
  EXPECT_NEAR(report->tpot.median, 10, 1e-6);
  EXPECT_NEAR(report->e2el.mean, 50, 1e-6);
  EXPECT_NEAR(report->seconds, 0.05, 1e-9);
  EXPECT_NEAR(report->outputThroughput(), 100, 1e-6);
  EXPECT_EQ(report->inputTokens, 10u);
}

TEST(LoadSimulation, WhatARequestTakesBesideItsStepsIsBeforeItsFirstToken) {
  const std::vector<TraceRequest> trace = {{5, 10, 5, 0, 0, 0, 0}, {7, 10, 5, 0, 0, 0, 0}};
  StepCosts costs{{{1, 0.01}}, {}};
  costs.perRequest = 0.003;
  const auto report = simulateLoad(trace, smallConfig(), MeasuredStepCost::create(costs).take());
  ASSERT_TRUE(report);
  EXPECT_NEAR(report->ttft.median, 13, 1e-6);
  EXPECT_NEAR(report->tpot.median, 10, 1e-6);
  EXPECT_NEAR(report->e2el.most, 53, 1e-6);
  EXPECT_NEAR(report->seconds, 2.053, 1e-9);
}

TEST(LoadSimulation, StepsVaryAsMeasuredEachKindInItsOrder) {
  const std::vector<TraceRequest> trace = {{0, 10, 4, 0, 0, 0, 0}, {1, 10, 4, 0, 0, 0, 0}};
  StepCosts costs{{{1, 0.01}}, {}};
  costs.variation = {std::vector{1.0, 3.0, 1.0, 5.0}, {}, {2.0, 4.0}};
  const auto report = simulateLoad(trace, smallConfig(), MeasuredStepCost::create(costs).take());
  ASSERT_TRUE(report);
  EXPECT_NEAR(report->ttft.mean, 30, 1e-6) << "prompts take 20 and 40 ms";
  EXPECT_NEAR(report->ttft.most, 40, 1e-6);
  EXPECT_NEAR(report->itl.most, 50, 1e-6) << "the fourth step that decodes is the second request's first";
  EXPECT_NEAR(report->tpot.mean, (50.0 / 3 + 90.0 / 3) / 2, 1e-6);
}

TEST(LoadSimulation, ItsJsonHasTheKeysOfTheTable) {
  const std::vector<TraceRequest> trace = {{5, 10, 5, 0, 0, 0, 0}};
  const auto report = simulateLoad(trace, smallConfig(), constantCost(0.01));
  ASSERT_TRUE(report);
  const auto json = nlohmann::json::parse(loadJson(*report));
  EXPECT_EQ(json["completed"], 1);
  EXPECT_NEAR(json["mean_ttft_ms"].get<double>(), 10, 1e-6);
  EXPECT_NEAR(json["p99_tpot_ms"].get<double>(), 10, 1e-6);
  EXPECT_NEAR(json["output_throughput"].get<double>(), 100, 1e-6);
  EXPECT_EQ(json["total_output_tokens"], 5);
}

TEST(LoadSimulation, WhatTheServerWouldRefuseIsRefusedWithItsReason) {
  SchedulerConfig config = smallConfig();
  config.limits.maxContext = 32;
  const std::vector<TraceRequest> trace = {
      {1, 30, 2, 0, 0, 0, 0}, {2, 30, 3, 0, 0, 0, 0}, {3, 4'000'000'000, 1, 0, 0, 0, 0}};
  const auto report = simulateLoad(trace, config, constantCost(0.01));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->completed, 1u);
  EXPECT_EQ(report->refused, 2u);
  EXPECT_EQ(report->firstRefusal.time, 2);
  EXPECT_EQ(report->firstRefusal.reason, "prompt and answer have 33 tokens, the context is 32");
  const auto none = simulateLoad(std::span(trace).first(1), config, constantCost(0.01));
  ASSERT_TRUE(none);
  EXPECT_EQ(none->firstRefusal.reason, "");
}

TEST(LoadSimulation, WhoComesInTheMiddleOfAStepWaitsForItsEnd) {
  const std::vector<TraceRequest> trace = {{0, 10, 3, 0, 0, 0, 0}, {0.004, 10, 1, 0, 0, 0, 0}};
  const auto report = simulateLoad(trace, smallConfig(), constantCost(0.01));
  ASSERT_TRUE(report);
  EXPECT_NEAR(report->ttft.most, 16, 1e-6);
  EXPECT_EQ(report->peakRunning, 2u);
}

TEST(LoadSimulation, ASharedPrefixShortensTheLaterFirstTokens) {
  std::vector<TraceRequest> trace = {{0, 100, 2, 1, 96, 0, 0}, {1, 100, 2, 1, 96, 0, 0}};
  const auto shared = simulateLoad(trace, smallConfig(), tokenCost());
  trace[1].prefix = 2;
  const auto apart = simulateLoad(trace, smallConfig(), tokenCost());
  ASSERT_TRUE(shared && apart);
  EXPECT_EQ(shared->cachedTokens, 96u);
  EXPECT_EQ(apart->cachedTokens, 0u);
  EXPECT_NEAR(shared->ttft.most, 100, 1e-3);
  EXPECT_NEAR(shared->ttft.mean, (100 + 4) / 2.0, 1e-3);
  EXPECT_NEAR(apart->ttft.mean, 100, 1e-3);
}

TEST(LoadSimulation, ThePromptBudgetBoundsTheGapsOfOthers) {
  const std::vector<TraceRequest> trace = {{0, 4, 100, 0, 0, 0, 0}, {0.02, 120, 2, 0, 0, 0, 0}};
  SchedulerConfig config = smallConfig();
  const auto whole = simulateLoad(trace, config, tokenCost());
  config.prefillTokens = 8;
  const auto chunked = simulateLoad(trace, config, tokenCost());
  ASSERT_TRUE(whole && chunked);
  EXPECT_NEAR(whole->itl.most, 64, 1e-3);
  EXPECT_NEAR(chunked->itl.most, 9, 1e-3);
  EXPECT_GT(chunked->ttft.most, whole->ttft.most) << "what it costs";
}

TEST(LoadSimulation, OverloadIsRefusedAndTheRestIsServed) {
  std::vector<TraceRequest> trace(100, {0, 10, 10, 0, 0, 0, 0});
  const auto report = simulateLoad(trace, smallConfig(), constantCost(0.01));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->completed + report->refused, 100u);
  EXPECT_EQ(report->completed, 20u) << "four places and a queue of 16";
  EXPECT_EQ(report->peakRunning, 4u);
}

TEST(LoadSimulation, PagePressurePreemptsAndStillFinishesAll) {
  std::vector<TraceRequest> trace(8, {0, 50, 60, 0, 0, 0, 0});
  SchedulerConfig config = smallConfig();
  config.pages = 16;
  const auto report = simulateLoad(trace, config, constantCost(0.01));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->completed, 8u);
  EXPECT_EQ(report->outputTokens, 480u);
  EXPECT_GT(report->preemptions, 0u);
  EXPECT_GT(report->peakKvUse, 0.9);
}

// 64 requests that come together behind one system prompt of 1,000 tokens.
TEST(LoadSimulation, ABurstBehindOnePrefixComputesItOnce) {
  const std::vector<TraceRequest> trace(64, {0, 1020, 4, 1, 1000, 0, 0});
  SchedulerConfig config = smallConfig();
  config.limits.maxContext = 2048;
  config.limits.maxTokens = 512;
  config.limits.maxSequences = config.limits.maxRows = config.maxQueue = 64;
  config.pages = 1000;
  const auto report = simulateLoad(trace, config, tokenCost());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->cachedTokens, 63u * 992);
  EXPECT_GE(static_cast<double>(report->cachedTokens), 0.9 * static_cast<double>(report->inputTokens));
}

TEST(LoadSimulation, MlfqServesShortRequestsSooner) {
  std::vector<TraceRequest> trace;
  for (uint32_t i = 0; i < 200; ++i) {
    const bool large = i % 4 == 0;
    trace.push_back({i * 0.03, large ? 100u : 8u, large ? 28u : 4u, 0, 0, 0, 0});
  }
  SchedulerConfig config = smallConfig();
  config.maxQueue = 200;
  config.mlfqQuantum = 16;
  const auto fcfs = simulateLoad(trace, config, tokenCost());
  config.policy = Policy::kMlfq;
  const auto mlfq = simulateLoad(trace, config, tokenCost());
  ASSERT_TRUE(fcfs && mlfq);
  EXPECT_EQ(mlfq->completed, 200u);
  EXPECT_LT(mlfq->ttft.median, fcfs->ttft.median / 2) << "three of four are short";
}

TEST(LoadSimulation, GoesAfterABlankStretchAndTakesAnEmptyTrace) {
  const std::vector<TraceRequest> trace = {{0, 10, 1, 0, 0, 0, 0}, {1000, 10, 1, 0, 0, 0, 0}};
  EXPECT_NEAR(simulateLoad(trace, smallConfig(), constantCost(0.01))->seconds, 1000.01, 1e-6);
  EXPECT_EQ(simulateLoad({}, smallConfig(), constantCost(0.01))->completed, 0u);
}

TEST(LoadSimulation, RefusesABadConfiguration) {
  EXPECT_EQ(simulateLoad({}, SchedulerConfig{}, constantCost(1)).status().code(), "RT_SCHEDULER");
}

TEST(LoadSimulation, PercentilesInterpolate) {
  std::vector<double> times = {0.004, 0.001, 0.002, 0.003};
  const Distribution d = distributionOf(times);
  EXPECT_NEAR(d.mean, 2.5, 1e-9);
  EXPECT_NEAR(d.median, 2.5, 1e-9);
  EXPECT_NEAR(d.p90, 3.7, 1e-9);
  EXPECT_NEAR(d.most, 4, 1e-9);
  EXPECT_NEAR(d.deviation, 1.1180339887, 1e-6);
}

TEST(LoadSimulation, PrintsTheTable) {
  const std::vector<TraceRequest> trace = {{5, 10, 5, 0, 0, 0, 0}};
  const std::string text = loadTable(*simulateLoad(trace, smallConfig(), constantCost(0.01)));
  EXPECT_NE(text.find("Successful requests:                     1"), std::string::npos) << text;
  EXPECT_NE(text.find("Mean TTFT (ms):                          10.00"), std::string::npos) << text;
  EXPECT_NE(text.find("P99 ITL (ms):                            10.00"), std::string::npos) << text;
}

}  // namespace
}  // namespace llmc::rt
