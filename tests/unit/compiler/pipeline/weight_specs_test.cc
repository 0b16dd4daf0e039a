// What the packer is told of each weight: layout, groups, arrangement, sources, and the table that is computed.
#include "compiler/pipeline/WeightSpecs.h"

#include "dialects/LLM/LLMDialect.h"
#include "gtest/gtest.h"
#include "mlir/Parser/Parser.h"

namespace llmc {
namespace {

TEST(WeightSpecs, EachWeightIsOneSpecInOrder) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<llm::LLMDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(R"(
    llm.weight @qkv : !llm.weight<[64, 32], #llm.q<i4, 32, asym>> {
      sources = [#llm.source<"q", rows = 32, unpermute = 2>, #llm.source<"k", rows = 32>], arrange = #llm.arrange<concat>, layout = "q4n16k4-asym"}
    llm.weight @norm : !llm.weight<[32], #llm.q<f32>> {sources = [#llm.source<"n", rows = 32>]}
    llm.weight @table : !llm.weight<[258, 16], #llm.q<f32>> {generated = #llm.rope<theta = 5.0e5, dim = 16, style = neox, scaling = linear<2.0>>}
  )",
                                                        mlir::ParserConfig(&context));
  ASSERT_TRUE(module);
  const std::vector<WeightSpec> specs = weightSpecs(*module, 128);
  ASSERT_EQ(specs.size(), 3u);
  EXPECT_EQ(specs[0].name, "qkv");
  EXPECT_EQ(specs[0].layout, Layout::Q4N16K4Asym);
  EXPECT_EQ(specs[0].group, 32);
  EXPECT_EQ(specs[0].arrange, Arrange::Concat);
  ASSERT_EQ(specs[0].sources.size(), 2u);
  EXPECT_EQ(specs[0].sources[0].tensor, "q");
  EXPECT_EQ(specs[0].sources[0].unpermuteHeads, 2);
  EXPECT_EQ(specs[0].sources[1].rows, 32);
  EXPECT_EQ(specs[1].layout, Layout::Plain) << "none is assigned to a vector";
  EXPECT_FALSE(specs[1].rope);
  ASSERT_TRUE(specs[2].rope);
  EXPECT_EQ(specs[2].rope->theta, 5e5);
  EXPECT_EQ(specs[2].rope->maxPositions, 128);
  EXPECT_EQ(specs[2].rope->scaling, RopeSpec::Scaling::Linear);
  EXPECT_EQ(specs[2].rope->factor, 2.0);
}

}  // namespace
}  // namespace llmc
