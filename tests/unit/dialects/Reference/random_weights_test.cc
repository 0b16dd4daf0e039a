// Tests of seeded weights and of the row arrangements of llm.weight.
#include "dialects/Reference/RandomWeights.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cmath>

namespace llmc::reference {
namespace {

struct RandomWeightsTest : testing::Test {
  RandomWeightsTest() { ctx.loadDialect<llm::LLMDialect>(); }
  /// The llm.weight of a module with only that op.
  llm::WeightOp parse(const std::string& text) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &ctx);
    return *module->getOps<llm::WeightOp>().begin();
  }
  /// [rows, 1] of first, first + 1, ...
  static Tensor counting(int64_t rows, double first) {
    Tensor tensor(rows, 1);
    for (double& value : tensor.data) value = first++;
    return tensor;
  }
  mlir::MLIRContext ctx;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

TEST_F(RandomWeightsTest, ConcatStacksSources) {
  auto weight = parse(R"(llm.weight @w : !llm.weight<[5, 1], #llm.q<f32>> {arrange = #llm.arrange<concat>,
    sources = [#llm.source<"a", rows = 2>, #llm.source<"b", rows = 3>]})");
  EXPECT_EQ(arrangeRows(weight, {counting(2, 0), counting(3, 100)}).data, (std::vector<double>{0, 1, 100, 101, 102}));
}

TEST_F(RandomWeightsTest, InterleaveAlternatesSixteenRows) {
  auto weight = parse(R"(llm.weight @w : !llm.weight<[64, 1], #llm.q<f32>> {arrange = #llm.arrange<interleave16>,
    sources = [#llm.source<"a", rows = 32>, #llm.source<"b", rows = 32>]})");
  Tensor rows = arrangeRows(weight, {counting(32, 0), counting(32, 100)});
  EXPECT_EQ(rows.at(0), 0);
  EXPECT_EQ(rows.at(15), 15);
  EXPECT_EQ(rows.at(16), 100);
  EXPECT_EQ(rows.at(32), 16);
  EXPECT_EQ(rows.at(63), 131);
}

/// GGUF's converter writes head rows (j, i) -> (i, j): reshape(heads, 2, D/2).swapaxes(1, 2). Unpermute takes that
/// back.
TEST_F(RandomWeightsTest, UnpermuteTakesBackTheConverter) {
  constexpr int64_t kHeads = 2, kDim = 6;
  Tensor original = counting(kHeads * kDim, 0), converted(kHeads * kDim, 1);
  for (int64_t h = 0; h < kHeads; ++h)
    for (int64_t j = 0; j < 2; ++j)
      for (int64_t i = 0; i < kDim / 2; ++i)
        converted.at(h * kDim + i * 2 + j, 0) = original.at(h * kDim + j * kDim / 2 + i);
  auto weight = parse(
      R"(llm.weight @w : !llm.weight<[12, 1], #llm.q<f32>> {sources = [#llm.source<"a", rows = 12, unpermute = 2>]})");
  EXPECT_EQ(arrangeRows(weight, {converted}).data, original.data);
}

TEST_F(RandomWeightsTest, ValuesDependOnSourceAndSeedOnly) {
  auto a = llm::SourceAttr::get(&ctx, "a", 4, 0), b = llm::SourceAttr::get(&ctx, "b", 4, 0);
  EXPECT_EQ(randomSource(a, 8, 1).data, randomSource(a, 8, 1).data);
  EXPECT_NE(randomSource(a, 8, 1).data, randomSource(b, 8, 1).data);
  EXPECT_NE(randomSource(a, 8, 1).data, randomSource(a, 8, 2).data);
  for (double value : randomSource(a, 300, 1).data) EXPECT_LE(std::abs(value), 0.1);
}

TEST_F(RandomWeightsTest, GeneratedWeightsAreEmpty) {
  auto weight = parse(R"(llm.weight @w : !llm.weight<[288, 32], #llm.q<f32>> {generated =
    #llm.rope<theta = 1.0e4, dim = 32, style = neox, scaling = none>})");
  auto values = randomWeights(1)(weight);
  ASSERT_TRUE(mlir::succeeded(values));
  EXPECT_TRUE(values->data.empty());
}

}  // namespace
}  // namespace llmc::reference
