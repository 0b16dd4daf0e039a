// What serving adds is taken from steps that follow each other, and measured over a server that answers.
#include "runtime/main/serving_meter.h"

#include "runtime/main/scheduler_flags.h"
#include "runtime/main/step_meter.h"
#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

/// `count` steps of `rows` rows, one every `seconds`, behind one that is not there.
void addSteps(std::vector<serving::TracedStep>& steps, uint32_t rows, int count, double seconds) {
  double now = steps.empty() ? 1 : steps.back().begin + 0.5;
  for (int i = 0; i < count; ++i, now += seconds) {
    serving::TracedStep step;
    step.number = (steps.empty() ? 0 : steps.back().number) + (i == 0 ? 2 : 1);
    step.tokens = step.sequences = step.rows = rows;
    step.begin = now;
    steps.push_back(step);
  }
}

TEST(ServingMeter, PointsAreWhatStepsTookBeyondTheirCost) {
  const auto bare = MeasuredStepCost::create({{{1, 0.001}, {4, 0.004}}, {}}).take();
  std::vector<serving::TracedStep> steps;
  addSteps(steps, 1, 30, 0.0015);
  addSteps(steps, 2, 30, 0.0030);
  addSteps(steps, 1, 30, 0.0012);
  addSteps(steps, 1, 30, 0.0019);
  addSteps(steps, 4, 30, 0.0030);
  addSteps(steps, 3, 5, 9);     // too few to tell
  steps[50].prefillTokens = 2;  // ends the stretch of 2 rows
  const auto points = servedPoints(steps, bare);
  ASSERT_EQ(points.size(), 3u);
  EXPECT_EQ(points[0].count, 1u);
  EXPECT_NEAR(points[0].seconds, 0.0005, 1e-9) << "the median of the stretches";
  EXPECT_EQ(points[1].count, 2u);
  EXPECT_NEAR(points[1].seconds, 0.0010, 1e-9);
  EXPECT_EQ(points[2].count, 4u);
  EXPECT_NEAR(points[2].seconds, -0.0010, 1e-9) << "faster than by itself";
}

TEST(ServingMeter, AStretchCountsByItsMean) {
  const auto bare = MeasuredStepCost::create({{{1, 0.001}}, {}}).take();
  std::vector<serving::TracedStep> steps;
  addSteps(steps, 1, 13, 0.001);  // 10 periods behind the first two
  for (size_t i = 8; i < steps.size(); ++i) steps[i].begin += 0.010;
  const auto points = servedPoints(steps, bare);
  ASSERT_EQ(points.size(), 1u);
  EXPECT_NEAR(points[0].seconds, 0.001, 1e-9) << "one late step of ten is a tenth of what it lost";
}

TEST(ServingMeter, VariationIsTheShareOfItsCostThatEachStepTook) {
  const auto cost = MeasuredStepCost::create({{{1, 0.001}, {21, 0.021}}, {}}).take();
  std::vector<serving::TracedStep> steps;
  addSteps(steps, 1, 4, 0.0012);
  for (serving::TracedStep& step : steps) step.told = step.begin + 0.0011, step.running = 1;
  steps[1].tokens = 20, steps[1].prefillTokens = 19, steps[1].attended = 200, steps[1].attendedAlone = 10;
  steps[2].tokens = 10, steps[2].prefillTokens = 10, steps[2].attended = 55;
  steps[2].running = 0;  // a rest follows
  steps[3].begin += 0.3;
  steps[3].told += 0.3;
  const auto variation = variationOf(steps, cost);
  EXPECT_EQ(variation[static_cast<size_t>(StepKind::kDecode)], (std::vector<double>{1.2, 1.1}));
  EXPECT_EQ(variation[static_cast<size_t>(StepKind::kMixed)], std::vector<double>{0.06});
  EXPECT_EQ(variation[static_cast<size_t>(StepKind::kPrompts)], std::vector<double>{0.11});
}

TEST(ServingMeter, TheBeginningOfALoadIsRehearsed) {
  const std::vector<TraceRequest> trace = {{3, 4, 5}, {3.2, 40, 5}, {3.3, 4, 6}, {60, 4, 7}, {67.6, 4, 8}, {80, 4, 9}};
  const auto played = rehearsalOf(trace, 40);
  ASSERT_EQ(played.size(), 5u) << "without the one that does not fit";
  EXPECT_EQ(played[0].time, 0);
  EXPECT_NEAR(played[1].time, 0.3, 1e-9);
  EXPECT_NEAR(played[2].time, 0.8, 1e-9) << "half a second of the rest";
  EXPECT_EQ(played[2].output, 7u);
  const std::vector<TraceRequest> many(1000, TraceRequest{1, 4, 5}), sparse = [] {
    std::vector<TraceRequest> all;
    for (int i = 0; i < 100; ++i) all.push_back({10.0 * i, 4, 5});
    return all;
  }();
  EXPECT_EQ(rehearsalOf(many, 40).size(), 256u);
  EXPECT_EQ(rehearsalOf(sparse, 40).size(), 17u) << "8 seconds";
  EXPECT_TRUE(rehearsalOf({}, 40).empty());
}

TEST_F(Run, ServingIsMeasuredOverAServer) {
  Flags flags;
  flags.engine = engine_.path();
  flags.threads = 2;
  flags.maxQueue = 1;                           // of the trace; the measurement's own requests all wait
  flags.kvMemory = 24 * MemoryAhead::kServing;  // an eighth of it is more than a session makes ready
  ServingMeter meter;
  auto session = Session::open(flags, {.sequences = 6, .sharedKv = true, .rows = 64});
  ASSERT_TRUE(session) << session.status().toString();
  auto costs = StepMeter(**session).measure();
  ASSERT_TRUE(costs) << costs.status().toString();
  EXPECT_TRUE(costs->served.empty());
  const std::vector<TraceRequest> trace = {{5, 20, 12}, {5.01, 9, 12}, {5.02, 99999, 1}};
  constexpr double kClient = 0.0004;  // with three times 16 streams of 40 tokens: 0.8 s
  uint64_t readyAtFirst = 0;
  const auto say = [&](const std::string&) {
    if (readyAtFirst == 0) readyAtFirst = (*session)->memoryAhead()->kvReady();
  };
  const Status measured = meter.measure(**session, *schedulerConfigOf(flags, **session), trace, kClient, *costs, say);
  ASSERT_TRUE(measured) << measured.toString();
  ASSERT_FALSE(costs->served.empty());
  EXPECT_EQ(costs->served.front().count, 1u);
  // Six streams have steps alike only if all six came before the first was through, which a loaded machine may prevent.
  EXPECT_LE(costs->served.back().count, 6u);
  for (const StepPoint& point : costs->served) EXPECT_TRUE(std::isfinite(point.seconds));
  EXPECT_GT(readyAtFirst, 3 * MemoryAhead::kServing - kHugePageBytes) << "requests would wait for memory";
  EXPECT_GT(costs->perRequest, 0);
  EXPECT_LT(costs->perRequest, 1);
  EXPECT_GT(meter.clientCpuSeconds(), 3 * 16 * 40 * kClient) << "three rounds of 1, 2, 3, 4 and 6 streams";
  for (const StepKind kind : {StepKind::kDecode, StepKind::kPrompts})
    EXPECT_FALSE(costs->variation[static_cast<size_t>(kind)].empty()) << "of the two requests that fit";
  EXPECT_TRUE(MeasuredStepCost::create(*costs));
}

TEST_F(Run, ServingThatRefusesCannotBeMeasured) {
  Flags flags;
  flags.engine = engine_.path();
  flags.threads = 2;
  ServingMeter meter;
  auto session = Session::open(flags, {.sequences = 2, .sharedKv = true, .rows = 64});
  ASSERT_TRUE(session) << session.status().toString();
  auto costs = StepMeter(**session).measure();
  ASSERT_TRUE(costs) << costs.status().toString();
  SchedulerConfig config = *schedulerConfigOf(flags, **session);
  config.limits.maxContext = 2;  // as long as the meter's prompts
  const Status measured = meter.measure(**session, config, {}, 0, *costs);
  EXPECT_EQ(measured.code(), "RT_METER") << measured.toString();
  EXPECT_EQ(exitStatus(measured.kind()), 69);
  EXPECT_TRUE(costs->served.empty());
}

TEST(ServingMeter, MayBeLeftUnused) { const ServingMeter meter; }

}  // namespace
}  // namespace llmc::rt::test
