// Interpolation of measured steps, and the shape of a plan.
#include "runtime/sched/step_cost.h"

#include <gtest/gtest.h>

#include <limits>

namespace llmc::rt {
namespace {

Result<MeasuredStepCost> costOf(std::vector<StepPoint> tokens) {
  return MeasuredStepCost::create({std::move(tokens), {}});
}

double secondsOf(const StepCost& cost, uint32_t tokens) { return cost.seconds({tokens, 1, 0, 0, 0, 0}); }

TEST(StepCost, IsLinearBetweenPointsAndGoesOnBeyondThem) {
  const auto cost = costOf({{4, 0.010}, {8, 0.010}, {16, 0.030}}).take();
  EXPECT_DOUBLE_EQ(secondsOf(cost, 1), 0.010);
  EXPECT_DOUBLE_EQ(secondsOf(cost, 6), 0.010);
  EXPECT_DOUBLE_EQ(secondsOf(cost, 12), 0.020);
  EXPECT_DOUBLE_EQ(secondsOf(cost, 16), 0.030);
  EXPECT_DOUBLE_EQ(secondsOf(cost, 24), 0.050);
}

TEST(StepCost, ASinglePointHoldsEverywhereAndNoiseNeverGoesBelowZero) {
  EXPECT_DOUBLE_EQ(secondsOf(costOf({{8, 0.01}}).take(), 1000), 0.01);
  EXPECT_DOUBLE_EQ(secondsOf(costOf({{8, 0.01}, {9, 0.008}}).take(), 1000), 0.008);
}

TEST(StepCost, AddsContextRowsAndMoves) {
  const auto cost = MeasuredStepCost::create({{{1, 1.0}}, {{3, 0.02}, {5, 0.06}}, 0.001, 0.002, 0.1}).take();
  EXPECT_DOUBLE_EQ(cost.seconds({1, 1, 1, 5, 2, 3}), 1.0 + 0.003 + 0.004 + 0.3);
  EXPECT_DOUBLE_EQ(cost.seconds({1, 1, 2, 0, 0, 0}), 1.0 + 0.01);
  EXPECT_DOUBLE_EQ(cost.seconds({1, 1, 4, 0, 0, 0}), 1.0 + 0.04);
  EXPECT_DOUBLE_EQ(cost.seconds({1, 1, 6, 0, 0, 0}), 1.0 + 0.08);
}

TEST(StepCost, AddsWhatServingAdds) {
  StepCosts costs{{{1, 1.0}}, {}};
  costs.served = {{1, 0.01}, {3, 0.05}};
  costs.perRequest = 0.2;
  const auto cost = MeasuredStepCost::create(costs).take();
  EXPECT_DOUBLE_EQ(cost.seconds({8, 1, 0, 0, 0, 0}), 1.01) << "the middle of a prompt is planned, too";
  EXPECT_DOUBLE_EQ(cost.seconds({1, 1, 1, 0, 0, 0}), 1.01);
  EXPECT_DOUBLE_EQ(cost.seconds({2, 2, 2, 0, 0, 0}), 1.03);
  EXPECT_DOUBLE_EQ(cost.seconds({5, 5, 5, 0, 0, 0}), 1.09);
  EXPECT_DOUBLE_EQ(cost.requestSeconds(), 0.2);
  costs.served = {{1, -0.25}};
  const auto faster = MeasuredStepCost::create(costs).take();
  EXPECT_DOUBLE_EQ(faster.seconds({1, 1, 1, 0, 0, 0}), 0.75) << "as it was measured";
  EXPECT_DOUBLE_EQ(faster.seconds({9, 2, 1, 0, 0, 0}), 1.0) << "that says nothing of prompts";
  costs.served = {{1, -0.95}};
  EXPECT_DOUBLE_EQ(MeasuredStepCost::create(costs)->seconds({1, 1, 1, 0, 0, 0}), 0.1) << "a step takes time";
  costs.served = {{1, -2}};
  EXPECT_FALSE(MeasuredStepCost::create(costs));
  costs.served = {};
  costs.perRequest = -1;
  EXPECT_FALSE(MeasuredStepCost::create(costs));
}

TEST(StepCost, VariesAsItWasMeasuredByTheCompanyOfAStep) {
  EXPECT_EQ(kindOf({.tokens = 3, .sequences = 3, .rows = 3, .attended = 9, .attendedAlone = 9}), StepKind::kDecode);
  EXPECT_EQ(kindOf({.tokens = 9, .sequences = 2, .rows = 2, .attended = 40, .attendedAlone = 5}), StepKind::kMixed);
  EXPECT_EQ(kindOf({.tokens = 9, .sequences = 2, .rows = 1, .attended = 40}), StepKind::kPrompts);
  StepCosts costs{{{1, 1.0}}, {}};
  EXPECT_EQ(MeasuredStepCost::create(costs)->variation(StepKind::kMixed, 7), 1);
  costs.variation = {std::vector{1.1, 1.2, 3.0}, {0.9}, {}};
  const auto cost = MeasuredStepCost::create(costs).take();
  EXPECT_EQ(cost.variation(StepKind::kDecode, 2), 3.0);
  EXPECT_EQ(cost.variation(StepKind::kDecode, 4), 1.2) << "again from the first";
  EXPECT_EQ(cost.variation(StepKind::kMixed, 4), 0.9);
  EXPECT_EQ(cost.variation(StepKind::kPrompts, 1), 1) << "no such step was met";
  costs.variation[1] = {0};
  EXPECT_FALSE(MeasuredStepCost::create(costs));
}

TEST(StepCost, RefusesWhatWasNotMeasured) {
  EXPECT_EQ(costOf({}).status().code(), "RT_STEP_COST");
  EXPECT_FALSE(costOf({{0, 1}}));
  EXPECT_FALSE(costOf({{1, 0}}));
  EXPECT_FALSE(costOf({{1, std::numeric_limits<double>::quiet_NaN()}}));
  EXPECT_FALSE(costOf({{8, 1}, {8, 2}}));
  EXPECT_FALSE(MeasuredStepCost::create({{{8, 1}}, {}, -1}));
  EXPECT_FALSE(MeasuredStepCost::create({{{8, 1}}, {{1, 1}}}));
  EXPECT_FALSE(MeasuredStepCost::create({{{8, 1}}, {{2, -1}}}));
}

TEST(StepCost, ItsFileKeepsEveryNumber) {
  const StepCosts costs{{{1, 0.004}, {64, 0.0625}},         {{2, 0.001}}, 1e-9, 3e-9, 1.0 / 3, {{1, 0.25}}, 0.5,
                        {std::vector{1.5, 0.25}, {}, {2.0}}};
  const auto read = parseStepCosts(stepCostsJson(costs));
  ASSERT_TRUE(read) << read.status().toString();
  EXPECT_EQ(stepCostsJson(*read), stepCostsJson(costs));
  ASSERT_EQ(read->tokens.size(), 2u);
  EXPECT_EQ(read->tokens[1].count, 64u);
  EXPECT_EQ(read->perMovedPage, 1.0 / 3);
  EXPECT_EQ(read->served.at(0).seconds, 0.25);
  EXPECT_EQ(read->perRequest, 0.5);
  EXPECT_EQ(read->variation, costs.variation);
}

TEST(StepCost, BadFilesAreNamed) {
  const std::string rest = R"("rows":[],"per_attended":0,"per_attended_alone":0,"per_moved_page":0})";
  EXPECT_TRUE(parseStepCosts(R"({"tokens":[[1,2]],)" + rest));
  for (const std::string& text :
       {std::string("["), std::string("[]"), "{" + rest, R"({"tokens":[],)" + rest, R"({"tokens":[[1]],)" + rest,
        R"({"tokens":[[-1,2]],)" + rest, R"({"tokens":[[1,"2"]],)" + rest, R"({"tokens":[[4294967296,2]],)" + rest,
        R"({"tokens":[[1,2]],"served":1,)" + rest, R"({"tokens":[[1,2]],"per_request":"1",)" + rest,
        R"({"tokens":[[1,2]],"variation":[1],)" + rest,
        R"({"tokens":[[1,2]],"variation":{"decode":[1],"mixed":[]},)" + rest,
        R"({"tokens":[[1,2]],"variation":{"decode":["1"],"mixed":[],"prompts":[]},)" + rest,
        R"({"tokens":[[1,2]],"variation":{"decode":[-1],"mixed":[],"prompts":[]},)" + rest,
        std::string(R"({"tokens":[[1,2]],"rows":[],"per_attended":0,"per_attended_alone":0})")})
    EXPECT_EQ(parseStepCosts(text).status().code(), "RT_STEP_COST") << text;
  EXPECT_NE(parseStepCosts("{" + rest).status().message().find(R"(found "rows", "per_attended")"), std::string::npos);
}

TEST(StepCost, IsReadFromAWholeOutput) {
  const std::string costs = stepCostsJson({{{1, 0.004}}, {{2, 0.001}}, 1e-9, 3e-9, 0.5});
  const auto read = parseStepCosts(R"({"completed":2,"step_cost":)" + costs + "}");
  ASSERT_TRUE(read) << read.status().toString();
  EXPECT_EQ(stepCostsJson(*read), costs);
  EXPECT_NE(parseStepCosts(R"({"step_cost":{"rows":[]}})").status().message().find("\"tokens\""), std::string::npos);
  EXPECT_EQ(parseStepCosts(R"({"step_cost":3})").status().code(), "RT_STEP_COST");
}

TEST(StepCost, CountsTheContextThatEveryTokenReads) {
  const std::vector<int32_t> tokens(3);
  const std::vector<StepSequence> batch = {{tokens, {}, 10, RowChoice::kLast, {}},
                                           {std::span(tokens).first(1), {}, 0, RowChoice::kLast, {}}};
  StepPlan plan;
  plan.batch = batch;
  plan.tokens = 4;
  EXPECT_EQ(shapeOf(plan).attended, 11u + 12 + 13 + 1);
  EXPECT_EQ(shapeOf(plan).attendedAlone, 1u);
  EXPECT_EQ(shapeOf(plan).sequences, 2u);
}

}  // namespace
}  // namespace llmc::rt
