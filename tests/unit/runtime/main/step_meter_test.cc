// What is measured can be simulated: ascending points, no negative cost, within the session's limits.
#include "runtime/main/step_meter.h"

#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

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
