// What the printer's text looks like: fusions, loads, what is kept, what is refused.
#include "codegen/cuda/RegionPrinter.h"

#include "tests/unit/codegen/cuda/module_text.h"
#include <gtest/gtest.h>

using namespace llmc;

namespace {

size_t countOf(const std::string &text, const std::string &part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    ++count;
  return count;
}

std::string addNorm(int64_t columns) {
  std::string n = std::to_string(columns), x = "tensor<?x" + n + "xf32, #llm.dims<[T, " + n + "]>>";
  std::string w = "!llm.weight<[" + n + "], #llm.q<f32>>";
  return "kern.func @k(%x: " + x + ", %y: " + x + ", %w: " + w + ", %b: !llm.batch) -> (" + x + ", " + x +
         ") attributes {hero = \"norm\"} {\n  %0 = llm.add %x, %y : " + x +
         "\n  %1 = llm.rmsnorm %0, %w {eps = 1.0e-5} : (" + x + ", " + w + ") -> " + x +
         "\n  kern.yield %0, %1 : " + x + ", " + x + "\n}\n";
}

TEST(RegionPrinterTest, ARowThatANormNeedsIsReadOnce) {
  ModuleText text(addNorm(1024));
  ASSERT_TRUE(text.module()) << text.diagnostics();
  auto kernel = text.emit();
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  EXPECT_EQ(countOf(kernel->text, "load<F32, 4>(x0"), 1u) << kernel->text;
  EXPECT_EQ(countOf(kernel->text, "load<F32, 4>(x1"), 1u);
  EXPECT_EQ(countOf(kernel->text, "load<F32, 4>(w2"), 1u);
}

TEST(RegionPrinterTest, ARowTooWideForRegistersIsReadAgain) {
  ModuleText text(addNorm(1 << 17));
  auto kernel = text.emit();
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  EXPECT_GE(countOf(kernel->text, "load<F32, 4>(x0"), 2u);
  EXPECT_EQ(kernel->text.find("float row_0["), std::string::npos);
}

TEST(RegionPrinterTest, OddRowsAreReadOneByOne) {
  ModuleText text(addNorm(37));
  auto kernel = text.emit();
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  EXPECT_EQ(countOf(kernel->text, "load<F32, 4>"), 0u);
  EXPECT_EQ(countOf(kernel->text, "load<F32, 1>(x0"), 1u);
}

TEST(RegionPrinterTest, BoundValuesAndHalvesOfAnInterleavedGlu) {
  ModuleText text("!g = tensor<?x64xf32, #llm.dims<[T, 64]>>\n!h = tensor<?x32xf32, #llm.dims<[T, 32]>>\n"
                  "kern.func @k(%x: !g, %y: !h, %b: !llm.batch) -> !h attributes {hero = \"pointwise\"} {\n"
                  "  %0 = llm.glu %x {act = #llm.act_fn<silu>, interleave = 16} : (!g) -> !h\n"
                  "  %1 = llm.add %0, %y : !h\n  kern.yield %1 : !h\n}\n");
  ASSERT_TRUE(text.module()) << text.diagnostics();
  mlir::Block &block = text.first().getBody().front();
  SourceWriter writer;
  RegionPrinter region(writer, block, {"x", "y", "batch"});
  std::string asked;
  region.bind(block.getArgument(0), [&](const std::string &row, const std::string &col) {
    asked += std::to_string(region.half()) + row + ":" + col + " ";
    return "sums[" + std::to_string(region.half()) + "]";
  });
  std::string value = region.element(block.getTerminator()->getOperand(0), "r", "c");
  EXPECT_TRUE(succeeded(region.status()));
  EXPECT_EQ(asked, "0r:gate_0 1r:up_0 ");
  EXPECT_NE(writer.text().find("const float glu_0 = silu(sums[0]) * sums[1];"), std::string::npos) << writer.text();
  EXPECT_NE(writer.text().find("load<F32, 1>(y + static_cast<i64>(r) * 192 + (c) * 4)"), std::string::npos);
  EXPECT_EQ(value, "sum_0");
}

TEST(RegionPrinterTest, NormsNeedAWholeRow) {
  ModuleText text(addNorm(64));
  mlir::Block &block = text.first().getBody().front();
  mlir::Value sum = block.getTerminator()->getOperand(0), norm = block.getTerminator()->getOperand(1);
  SourceWriter writer;
  RegionPrinter region(writer, block, {"x", "y", "w", "batch"});
  EXPECT_FALSE(region.needsRow(sum));
  EXPECT_TRUE(region.needsRow(norm));
  region.prepareRow(norm, "row"); // without setThreads(): as a product's epilogue
  EXPECT_TRUE(failed(region.status()));
  EXPECT_NE(text.diagnostics().find("'llm.rmsnorm' op has no code on CUDA here: this kernel has no whole row"),
            std::string::npos)
      << text.diagnostics();
}

} // namespace
