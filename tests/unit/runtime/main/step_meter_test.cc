// What is measured can be simulated: ascending points, no negative cost, within the session's limits.
#include "runtime/main/step_meter.h"

#include <algorithm>

#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

TEST(StepMeter, BothEndsOfEachStairAreMeasured) {
  const std::vector<uint32_t> counts = countsToMeasure(2, 700);
  EXPECT_EQ(counts.front(), 2u);
  EXPECT_EQ(counts.back(), 700u);
  EXPECT_TRUE(std::is_sorted(counts.begin(), counts.end()));
  EXPECT_EQ(std::adjacent_find(counts.begin(), counts.end()), counts.end());
  const auto has = [&](uint32_t n) { return std::binary_search(counts.begin(), counts.end(), n); };
  for (uint32_t n = 2; n <= 33; ++n) EXPECT_TRUE(has(n)) << n;
  for (const uint32_t end : {40u, 48u, 56u, 64u, 80u, 96u, 112u, 128u, 160u, 192u, 224u, 256u, 320u, 384u, 448u})
    EXPECT_TRUE(has(end) && has(end + 1)) << end;
  EXPECT_TRUE(has(512));
  EXPECT_EQ(countsToMeasure(1, 1), std::vector<uint32_t>{1});
  EXPECT_TRUE(countsToMeasure(2, 1).empty());
}

TEST_F(Run, StepsAreMeasuredWithinTheLimits) {
  Flags flags;
  flags.engine = engine_.path();
  flags.threads = 2;
  for (const uint32_t sequences : {1u, 6u}) {
    auto session = Session::open(flags, {.text = false, .sequences = sequences, .sharedKv = true, .rows = 64});
    ASSERT_TRUE(session) << session.status().toString();
    const auto costs = StepMeter(**session).measure();
    ASSERT_TRUE(costs) << costs.status().toString();
    EXPECT_TRUE(MeasuredStepCost::create(*costs));
    EXPECT_EQ(costs->tokens.front().count, 1u);
    EXPECT_EQ(costs->tokens.back().count, std::min((*session)->executor().limits().maxTokens, (*session)->context()));
    EXPECT_EQ(costs->rows.empty(), sequences == 1);
    if (sequences > 1) EXPECT_EQ(costs->rows.back().count, sequences);
  }
}

}  // namespace
}  // namespace llmc::rt::test
