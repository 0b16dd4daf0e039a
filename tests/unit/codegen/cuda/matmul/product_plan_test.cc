// What a product's kernel is read as, and what is refused with a reason.
#include "codegen/cuda/matmul/ProductPlan.h"

#include "tests/unit/codegen/cuda/matmul/product_text.h"
#include <gtest/gtest.h>

namespace llmc {
namespace {

TEST(ProductPlanTest, ReadsShapeAndLayout) {
  for (auto [quant, layout] : kProductWeights) {
    ModuleText text(ProductText{50, 100, quant}.plain());
    ASSERT_TRUE(text.module()) << text.diagnostics();
    mlir::FailureOr<ProductPlan> plan = planProduct(text.first(), 16);
    ASSERT_TRUE(succeeded(plan)) << text.diagnostics();
    EXPECT_EQ(plan->shape.layout, layout) << quant;
    EXPECT_EQ(plan->shape.n, 50);
    EXPECT_EQ(plan->shape.k, 100);
    EXPECT_EQ(plan->shape.mMax, 16);
    EXPECT_EQ(plan->shape.panels(), 4);
    EXPECT_EQ(plan->columns, 50);
    EXPECT_FALSE(plan->interleaved);
  }
}

TEST(ProductPlanTest, AnInterleavedGluTakesPairsOfPanels) {
  ModuleText text(ProductText{64, 96, "bf16"}.module(
      "  %0 = llm.linear %x, %w : (!x, !w) -> !sums\n"
      "  %y = llm.glu %0 {act = #llm.act_fn<silu>, interleave = 16} : (!sums) -> !y\n",
      ProductText::activation(32)));
  ASSERT_TRUE(text.module()) << text.diagnostics();
  mlir::FailureOr<ProductPlan> plan = planProduct(text.first(), 8);
  ASSERT_TRUE(succeeded(plan)) << text.diagnostics();
  EXPECT_TRUE(plan->interleaved);
  EXPECT_EQ(plan->columns, 32);
  EXPECT_EQ(plan->shape.unitPanels, 2);
}

void expectRefused(const std::string &module, const std::string &reason) {
  ModuleText text(module);
  ASSERT_TRUE(text.module()) << text.diagnostics();
  EXPECT_TRUE(failed(planProduct(text.first(), 8)));
  EXPECT_NE(text.diagnostics().find(reason), std::string::npos) << text.diagnostics();
}

TEST(ProductPlanTest, RefusesWhatTensorCoresDoNotTake) {
  expectRefused(ProductText{64, 96, "f32"}.plain(), "f32 weights");
  ProductText product;
  std::string f32 = product.plain();
  f32.replace(f32.find("96xbf16"), 7, "96xf32");
  expectRefused(f32, "expected bf16 rows");
  std::string mixed = ProductText{64, 96, "e4m3"}.plain();
  mixed.replace(mixed.find("!llm.qact<[T, 96], e4m3>"), 24, ProductText::activation(96, "bf16"));
  expectRefused(mixed, "expected e4m3 rows, as llm.quantize makes them");
  expectRefused(ProductText{64, 96, "i8, 64, sym"}.plain(), "weight groups of 64");
  expectRefused(ProductText{64, 96, "i4, 128, sym"}.plain(), "weight groups of 128 of i4 g128 sym");
  expectRefused(product.module("  %0 = llm.cast %x : (!x) -> !x\n  %y = llm.linear %0, %w : (!x, !w) -> !y\n",
                               ProductText::activation(64)),
                "computed in its kernel");
  expectRefused(product.module("  %0 = llm.linear %x, %w : (!x, !w) -> !sums\n"
                               "  %y = llm.slice %0 {offset = 0, size = 16} : (!sums) -> !y\n",
                               ProductText::activation(16)),
                "expected a result of 64 columns");
}

} // namespace
} // namespace llmc
