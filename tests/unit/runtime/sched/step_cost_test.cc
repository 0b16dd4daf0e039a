// Interpolation of measured steps, and the shape of a plan.
#include "runtime/sched/step_cost.h"

#include <gtest/gtest.h>

#include <limits>

namespace llmc::rt {
namespace {

double secondsOf(const StepCost& cost, uint32_t tokens) { return cost.seconds({tokens, 1, 0, 0, 0}); }

TEST(StepCost, IsLinearBetweenPointsAndGoesOnBeyondThem) {
  const auto cost = MeasuredStepCost::create({{4, 0.010}, {8, 0.010}, {16, 0.030}}).take();
  EXPECT_DOUBLE_EQ(secondsOf(cost, 1), 0.010);
  EXPECT_DOUBLE_EQ(secondsOf(cost, 6), 0.010);
  EXPECT_DOUBLE_EQ(secondsOf(cost, 12), 0.020);
  EXPECT_DOUBLE_EQ(secondsOf(cost, 16), 0.030);
  EXPECT_DOUBLE_EQ(secondsOf(cost, 24), 0.050);
}

TEST(StepCost, ASinglePointHoldsEverywhereAndNoiseNeverGoesBelowZero) {
  EXPECT_DOUBLE_EQ(secondsOf(MeasuredStepCost::create({{8, 0.01}}).take(), 1000), 0.01);
  EXPECT_DOUBLE_EQ(secondsOf(MeasuredStepCost::create({{8, 0.01}, {9, 0.008}}).take(), 1000), 0.008);
}

TEST(StepCost, AddsContextRowsAndMoves) {
  const auto cost = MeasuredStepCost::create({{1, 1.0}}, 0.001, 0.01, 0.1).take();
  EXPECT_DOUBLE_EQ(cost.seconds({1, 1, 2, 5, 3}), 1.0 + 0.005 + 0.02 + 0.3);
}

TEST(StepCost, RefusesWhatWasNotMeasured) {
  EXPECT_EQ(MeasuredStepCost::create({}).status().code(), "RT_STEP_COST");
  EXPECT_FALSE(MeasuredStepCost::create({{0, 1}}));
  EXPECT_FALSE(MeasuredStepCost::create({{1, 0}}));
  EXPECT_FALSE(MeasuredStepCost::create({{1, std::numeric_limits<double>::quiet_NaN()}}));
  EXPECT_FALSE(MeasuredStepCost::create({{8, 1}, {8, 2}}));
  EXPECT_FALSE(MeasuredStepCost::create({{8, 1}}, -1));
}

TEST(StepCost, CountsTheContextThatEveryTokenReads) {
  const std::vector<int32_t> tokens(3);
  const std::vector<StepSequence> batch = {{tokens, {}, 10, RowChoice::kLast, {}},
                                           {std::span(tokens).first(1), {}, 0, RowChoice::kLast, {}}};
  StepPlan plan;
  plan.batch = batch;
  plan.tokens = 4;
  EXPECT_EQ(shapeOf(plan).attended, 11u + 12 + 13 + 1);
  EXPECT_EQ(shapeOf(plan).sequences, 2u);
}

}  // namespace
}  // namespace llmc::rt
