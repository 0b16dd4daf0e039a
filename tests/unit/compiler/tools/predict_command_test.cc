// Predictions of whole steps: launches add up by the costs that the engine's explanation has; what has none is told.
#include "compiler/tools/PredictCommand.h"

#include "gtest/gtest.h"
#include "tests/unit/runtime/format/tiny_engine.h"
#include <nlohmann/json.hpp>

namespace llmc {
namespace {

using Object = nlohmann::ordered_json;  // explanations are compared in order

rt::Result<std::string> predict(const std::string& bytes) {
  rt::test::TemporaryFile file(bytes);
  auto engine = rt::EngineFile::open(file.path(), {.verify = rt::Verify::kLazy});
  return engine ? predictEngine(*engine, true) : rt::Result<std::string>(engine.status());
}

/// An engine for both targets whose explanation of CUDA's kernels is `kernels`.
std::string explained(const Object& kernels) {
  auto sections = rt::test::tinySectionsOfBoth(rt::test::tinyPlan(), rt::test::tinyCudaPlan());
  sections.back().bytes = Object{{"kernels", kernels}, {"refused", Object::array()}}.dump();
  return rt::test::assemble(sections, rt::test::markSeveralTargets);
}

/// Each kernel of the plan moves `bytes` a launch, at every level; 0: it has no costs.
Object costs(double bytes) {
  const auto plan = rt::test::tinyCudaPlan();
  Object levels, kernels = Object::array();
  for (const auto& level : plan.levels)
    levels[level->name] = {{"launch_bytes", bytes}, {"times", Object::array({Object::array({1, 2.5, "memory"})})}};
  for (const auto& kernel : plan.kernels) {
    Object variants = Object::array();
    for (const auto& variant : kernel->variants) {
      Object sizes = Object::object();
      for (size_t level = 0; level < plan.levels.size(); ++level)
        sizes[plan.levels[level]->name] = variant->code[level]->size;
      variants.push_back({{"symbol", variant->config}, {"bytes", sizes}});
      if (bytes > 0) variants.back()["cost"] = levels;
    }
    kernels.push_back({{"name", kernel->name},
                       {"origin", Object::array()},
                       {"fused", Object::array()},
                       {"family", "pointwise"},
                       {"variants", variants}});
  }
  return kernels;
}

TEST(PredictCommand, AnEngineForCpusHasNothingToPredict) {
  const rt::Status status = predict(rt::test::tinyEngine()).status();
  EXPECT_EQ(rt::exitStatus(status.kind()), 64) << status.toString();
  EXPECT_NE(status.message().find("--predict is for kernels of CUDA devices"), std::string::npos) << status.toString();
}

TEST(PredictCommand, KernelsWithoutCostsAreTold) {
  const rt::Status status = predict(explained(costs(0))).status();
  EXPECT_EQ(rt::exitStatus(status.kind()), 65) << status.toString();
  EXPECT_EQ(status.code(), "EN_EXPLAIN");
  EXPECT_NE(status.message().find("no costs of kernels"), std::string::npos) << status.toString();
}

TEST(PredictCommand, AStepIsItsLaunches) {
  auto text = predict(explained(costs(1000)));
  ASSERT_TRUE(text) << text.status().toString();
  const Object all = Object::parse(*text)["predictions"];
  ASSERT_EQ(all.size(), 1u);  // PTX is of no device in particular
  ASSERT_EQ(all[0]["steps"].size(), 4u);
  for (const Object& step : all[0]["steps"]) {
    double launches = 0, us = 0;
    for (const Object& kernel : step["kernels"]) {
      launches += kernel["launches"].get<double>(), us += kernel["us"].get<double>();
      EXPECT_EQ(kernel["bytes"], kernel["launches"].get<double>() * 1000);
    }
    EXPECT_GT(launches, 0);
    EXPECT_EQ(step["bytes"], launches * 1000);
    EXPECT_DOUBLE_EQ(step["us"].get<double>(), us);
  }
}

}  // namespace
}  // namespace llmc
