// llm.argmax on the emulator: tiles of several widths, equal logits, logits that are not numbers, what is refused.
#include "tests/emulator/kernel_case.h"
#include "tests/unit/codegen/cuda/module_text.h"
#include "tests/unit/codegen/cuda/row_text.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

std::string argmaxOf(int64_t columns, int64_t tile, const char *rows = "S", const std::string &before = "") {
  const int64_t tiles = (columns + tile - 1) / tile;
  std::string body = before.empty() ? "  %l = llm.scale %x {factor = 1.0} : !x\n" : before;
  return kernelText(
      "!x = " + rowsOf(columns, "f32", rows) + "\n!a = " + rowsOf(2 * tiles, "f32", rows), "%x: !x, %b: !llm.batch",
      "!a", body + "  %a = llm.argmax %l {tile = " + std::to_string(tile) + "} : (!x) -> !a\n  kern.yield %a : !a",
      "argmax");
}

TEST(ArgmaxKernelTest, ABlockATile) {
  ModuleText text(argmaxOf(3000, 1024));
  ASSERT_TRUE(text.module()) << text.diagnostics();
  auto kernel = text.emit();
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  EXPECT_EQ(kernel->grid[0], GridDim::rows(llm::Dim::S(), 1));
  EXPECT_EQ(kernel->grid[1], GridDim::fixed(3));
  EXPECT_EQ(kernel->threads, 256);
}

// Exact: the largest number and its column are copied, not computed.
TEST(ArgmaxKernelTest, AgreesWithTheReference) {
  for (auto [columns, tile] : {std::pair<int64_t, int64_t>{3000, 1024}, {1024, 1024}, {1, 1024}, {77, 32}, {130, 128}})
    emu::checkKernelCase({.text = argmaxOf(columns, tile), .sampleAll = true, .tolerance = 1e-30});
  emu::checkKernelCase({.text = argmaxOf(2051, 1024, "T"), .sequences = {{0, 17}}, .tolerance = 1e-30});
}

// A softcap this narrow makes most logits the same float: the first column wins, in every order of threads.
TEST(ArgmaxKernelTest, EqualLogitsGiveTheFirstColumn) {
  const std::string capped = "  %y = llm.scale %x {factor = 1.0e20} : !x\n  %l = llm.softcap %y {cap = 1.0} : !x\n";
  emu::checkKernelCase({.text = argmaxOf(3000, 1024, "S", capped), .tolerance = 1e-30});
}

TEST(ArgmaxKernelTest, WhatIsNotFiniteCountsAsInfinite) {
  // 1e39 times a normal number is an infinity in f32, and the reference, which has doubles, is told so.
  const std::string overflow = "  %l = llm.scale %x {factor = 1.0e39} : !x\n";
  emu::KernelCase test{.text = argmaxOf(100, 64, "S", overflow)};
  test.adjust = [](size_t, reference::Tensor &want, reference::Tensor &got) {
    for (int64_t row = 0; row < got.rows; ++row)
      for (int64_t tile = 0; tile < 2; ++tile) {
        EXPECT_EQ(got.at(row, tile), INFINITY);
        EXPECT_EQ(got.at(row, 2 + tile), static_cast<double>(tile * 64));
      }
    want = got;
  };
  emu::checkKernelCase(test);
}

TEST(ArgmaxKernelTest, RefusesRowsThatNeedTheirWhole) {
  const std::string refusal =
      refusalOf("!x = " + rowsOf(64) + "\n!a = " + rowsOf(2) + "\n!w = " + vectorOf(64) +
                "\nkern.func @k(%x: !x, %w: !w, %b: !llm.batch) -> !a attributes {hero = \"argmax\"} {\n"
                "  %l = llm.rmsnorm %x, %w {eps = 1.0e-5} : (!x, !w) -> !x\n"
                "  %a = llm.argmax %l {tile = 64} : (!x) -> !a\n  kern.yield %a : !a\n}\n");
  EXPECT_NE(refusal.find("a tile's block has no whole row of its logits"), std::string::npos) << refusal;
}

TEST(ArgmaxKernelTest, RefusesOtherResults) {
  const std::string refusal =
      refusalOf(kernelText("!x = " + rowsOf(64), "%x: !x, %b: !llm.batch", "!x",
                           "  %0 = llm.scale %x {factor = 0.1} : !x\n  kern.yield %0 : !x", "argmax"));
  EXPECT_NE(refusal.find("to have the llm.argmax as its one result"), std::string::npos) << refusal;
}

} // namespace
} // namespace llmc
