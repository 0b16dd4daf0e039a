// The EXPLAIN section: kernels with their places, variants and configurations; remarks counted once.
#include "compiler/pipeline/ExplainJson.h"

#include <nlohmann/json.hpp>

#include "dialects/LLM/LLMDialect.h"
#include "gtest/gtest.h"
#include "mlir/Parser/Parser.h"

namespace llmc {
namespace {

const char* const kDoubling = R"(
  kern.func @double(%x: tensor<?x32xf32, #llm.dims<[T, 32]>>, %b: !llm.batch) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
      attributes {hero = "pointwise", origin = ["layers.0.a", "layers.1.a"], fused = ["F7"],
                  config = [#kern.config<m_max = 0>]} {
    %y = llm.add %x, %x : tensor<?x32xf32, #llm.dims<[T, 32]>>
    kern.yield %y : tensor<?x32xf32, #llm.dims<[T, 32]>>
  })";

class ExplainJson : public testing::Test {
 protected:
  ExplainJson() {
    mlir::DialectRegistry registry;
    registry.insert<llm::LLMDialect, kern::KernDialect>();
    context_.appendDialectRegistry(registry);
    context_.loadAllAvailableDialects();
    module_ = mlir::parseSourceString<mlir::ModuleOp>(kDoubling, mlir::ParserConfig(&context_));
  }
  mlir::MLIRContext context_{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module_;
};

TEST_F(ExplainJson, KernelsHaveTheirPlacesAndTheBytesOfEachLevel) {
  CompileOptions options;
  options.levels = {findLevel("x86-64-v3"), findLevel("x86-64-v4")};
  auto kernels = compileKernels(*module_, options);
  ASSERT_TRUE(kernels) << kernels.status().toString();
  const auto json = nlohmann::json::parse(explainJson(*module_, *kernels, {}));
  ASSERT_EQ(json["kernels"].size(), 1u);
  const auto& kernel = json["kernels"][0];
  EXPECT_EQ(kernel["name"], "double");
  EXPECT_EQ(kernel["family"], "pointwise");
  EXPECT_EQ(kernel["origin"], (nlohmann::json{"layers.0.a", "layers.1.a"}));
  EXPECT_EQ(kernel["fused"], nlohmann::json::array({"F7"}));
  ASSERT_EQ(kernel["variants"].size(), 1u);
  for (const char* level : {"x86-64-v3", "x86-64-v4"}) {
    EXPECT_GT(kernel["variants"][0]["bytes"][level], 0) << level;
    EXPECT_FALSE(kernel["variants"][0]["config"][level].get<std::string>().empty()) << level;
  }
}

TEST_F(ExplainJson, RemarksOfLayersAreOneWithTheirNumberOfPlaces) {
  const auto json =
      nlohmann::json::parse(explainJson(*module_, {},
                                        {"layers.0.mlp.down: missed F2: why", "layers.17.mlp.down: missed F2: why",
                                         "head: missed F8: other", "something that was not missed"}));
  ASSERT_EQ(json["refused"].size(), 2u);
  EXPECT_EQ(json["refused"][0], (nlohmann::json{{"remark", "head: missed F8: other"}, {"places", 1}}));
  EXPECT_EQ(json["refused"][1], (nlohmann::json{{"remark", "layers.*.mlp.down: missed F2: why"}, {"places", 2}}));
}

TEST_F(ExplainJson, AFusedKernelHasALine) {
  auto kernel = *module_->getOps<kern::FuncOp>().begin();
  EXPECT_EQ(fusedRemark(kernel), "@double (pointwise): fused F7, from 2 ops\n");
  kernel.removeFusedAttr();
  EXPECT_EQ(fusedRemark(kernel), "");
}

}  // namespace
}  // namespace llmc
