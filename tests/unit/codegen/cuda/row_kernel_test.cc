// How rows are cut into blocks: parts of a row, one row, rows of S, more blocks than rows.
#include "tests/emulator/kernel_case.h"
#include "tests/unit/codegen/cuda/module_text.h"
#include "tests/unit/codegen/cuda/row_text.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

std::string scaled(int64_t columns, const char *rows) {
  return kernelText("!x = " + rowsOf(columns, "f32", rows), "%x: !x, %b: !llm.batch", "!x",
                    "  %0 = llm.scale %x {factor = 0.1} : !x\n  kern.yield %0 : !x");
}

TEST(RowKernelTest, PartsOfARowHaveBlocksOfTheirOwn) {
  ModuleText text(scaled(4100, "S"));
  ASSERT_TRUE(text.module()) << text.diagnostics();
  auto kernel = text.emit();
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  EXPECT_EQ(kernel->grid[0], GridDim::rows(llm::Dim::S(), 1));
  EXPECT_EQ(kernel->grid[1], GridDim::fixed(9)); // 4100 columns, 128 threads of 4
  EXPECT_EQ(kernel->words, 3);
  emu::checkKernelCase({.text = scaled(4100, "S")});
  emu::checkKernelCase({.text = scaled(513, "T"), .sequences = {{0, 17}}});
}

TEST(RowKernelTest, ThreadsFollowTheRow) {
  auto threads = [](int64_t columns) {
    std::string x = rowsOf(columns), w = vectorOf(columns);
    ModuleText text("kern.func @k(%x: " + x + ", %w: " + w + ", %b: !llm.batch) -> " + x +
                    " attributes {hero = \"norm\"} {\n  %0 = llm.rmsnorm %x, %w {eps = 1.0e-5} : (" + x + ", " + w +
                    ") -> " + x + "\n  kern.yield %0 : " + x + "\n}\n");
    auto kernel = text.emit();
    return succeeded(kernel) ? kernel->threads : 0;
  };
  EXPECT_EQ(threads(1), 32);
  EXPECT_EQ(threads(576), 160);
  EXPECT_EQ(threads(4096), 512);
  EXPECT_EQ(threads(4100), 352); // 1025 vectors in 3 steps
  EXPECT_EQ(threads(1 << 17), 1024);
}

TEST(RowKernelTest, RefusesResultsWithDifferentRows) {
  const std::string refusal = refusalOf(
      kernelText("!x = " + rowsOf(64) + "\n!s = " + rowsOf(64, "f32", "S"), "%x: !x, %b: !llm.batch", "(!x, !s)",
                 "  %0 = llm.select_rows %x, %b : (!x, !llm.batch) -> !s\n  kern.yield %x, %0 : !x, !s"));
  EXPECT_NE(refusal.find("results of one kernel must have the same rows, found T and S"), std::string::npos) << refusal;
}

} // namespace
} // namespace llmc
