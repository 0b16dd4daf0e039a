// IR of tiny models of every family: the parts that a family has, named by their place in the model.
#include "compiler/graph/ModelBuilder.h"

#include "dialects/LLM/LLMDialect.h"
#include "gtest/gtest.h"
#include <set>
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

class ModelBuilderTest : public testing::Test {
 protected:
  ModelBuilderTest() {
    context_.loadDialect<llm::LLMDialect, mlir::func::FuncDialect>();
    writeTinyFolder(folder_);
    auto model = importModel(folder_.path());
    EXPECT_TRUE(model) << model.status().toString();
    model_ = model.take();
  }
  /// The tiny model's IR after `change` of its config, which the builder goes by.
  template <typename Change>
  mlir::OwningOpRef<mlir::ModuleOp> built(const Change& change) {
    change(model_.config);
    auto module = buildModel(&context_, model_);
    EXPECT_TRUE(module) << module.status().toString();
    if (!module) return {};
    EXPECT_TRUE(mlir::succeeded(mlir::verify(**module)));
    return module.take();
  }
  template <typename Op>
  static int count(mlir::ModuleOp module) {
    int found = 0;
    module.walk([&](Op) { ++found; });
    return found;
  }

  TempFolder folder_;
  ImportedModel model_;
  mlir::MLIRContext context_{mlir::MLIRContext::Threading::DISABLED};
};

TEST_F(ModelBuilderTest, ALayerOfLlamaHasItsParts) {
  auto module = built([](ModelConfig&) {});
  ASSERT_TRUE(module);
  EXPECT_EQ(count<llm::WeightOp>(*module), 11);
  EXPECT_EQ(count<llm::LinearOp>(*module), 8);  // q, k, v, o, gate, up, down, head
  EXPECT_EQ(count<llm::RMSNormOp>(*module), 3);
  EXPECT_EQ(count<llm::RopeOp>(*module), 2);
  EXPECT_EQ(count<llm::AttendOp>(*module), 1);
  EXPECT_EQ(count<llm::KvWriteOp>(*module), 1);
  std::set<std::string> places;
  module->walk([&](llm::LinearOp op) {
    if (auto named = mlir::dyn_cast<mlir::NameLoc>(op.getLoc())) places.insert(named.getName().str());
  });
  EXPECT_TRUE(places.contains("layers.0.attention.q") && places.contains("layers.0.mlp.down") &&
              places.contains("head"));
}

TEST_F(ModelBuilderTest, AWindowReachesAttention) {
  auto module = built([](ModelConfig& config) {
    config.family = findFamily("mistral");
    config.slidingWindow = 4;
  });
  ASSERT_TRUE(module);
  EXPECT_EQ(count<llm::AttendOp>(*module), 1);
  module->walk([](llm::AttendOp op) { EXPECT_EQ(op.getWindow(), 4); });
}

TEST_F(ModelBuilderTest, PartsThatTheFamilyHasNotAreRefused) {
  model_.config.qkNorm = true;
  auto refused = buildModel(&context_, model_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.status().code(), "CF_INCONSISTENT") << refused.status().toString();
}

}  // namespace
}  // namespace llmc
