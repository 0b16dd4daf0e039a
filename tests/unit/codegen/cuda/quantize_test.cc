// Rows of 8-bit floats on the emulator against the reference: the same codes and scales, whatever the width; what a
// norm or a merge before them changes; planted faults.
#include "tests/emulator/kernel_case.h"
#include "tests/unit/codegen/cuda/row_text.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

using emu::checkKernelCase;
using emu::KernelCase;

std::string e4m3Of(int64_t columns) { return "!llm.qact<[T, " + std::to_string(columns) + "], e4m3>"; }

/// The rows alone: a scale and codes have no rounding before them, so that they must be equal.
KernelCase plain(int64_t columns) {
  return {.text = kernelText("!x = " + rowsOf(columns) + "\n!q = " + e4m3Of(columns), "%x: !x, %b: !llm.batch", "!q",
                             "  %0 = llm.quantize %x : (!x) -> !q\n  kern.yield %0 : !q", "pointwise"),
          .tolerance = 1e-7};
}

TEST(QuantizeTest, WidthsWithAndWithoutPadding) {
  for (int64_t columns : {1, 18, 37, 64, 576, 4100}) {
    SCOPED_TRACE(std::to_string(columns) + " columns");
    checkKernelCase(plain(columns));
  }
}

TEST(QuantizeTest, OneRowAndRowsTooWideForRegisters) {
  KernelCase one = plain(96);
  one.sequences = {{4, 1}};
  checkKernelCase(one);
  KernelCase wide = plain(36868);
  wide.sequences = {{0, 1}, {3, 1}};
  wide.allOrders = false;
  checkKernelCase(wide);
}

/// Values from far below the smallest float to far above the largest: a row of zeros has scale 0.
TEST(QuantizeTest, TinyAndHugeRows) {
  for (double size : {1e-38, 1e-20, 1e20}) {
    KernelCase test = plain(80);
    test.activations = size;
    checkKernelCase(test);
  }
}

TEST(QuantizeTest, AfterANormBesideItsSum) {
  checkKernelCase({.text = kernelText("!x = " + rowsOf(200) + "\n!w = " + vectorOf(200) + "\n!q = " + e4m3Of(200),
                                      "%x: !x, %y: !x, %w: !w, %b: !llm.batch", "(!q, !x)",
                                      "  %0 = llm.add %x, %y : !x\n"
                                      "  %1 = llm.rmsnorm %0, %w {eps = 1.0e-6} : (!x, !w) -> !x\n"
                                      "  %2 = llm.quantize %1 : (!x) -> !q\n  kern.yield %2, %0 : !q, !x",
                                      "norm")});
}

/// What the emulator says when `part` of the text is replaced, the last time it occurs.
std::string withFault(const std::string &part, const std::string &by) {
  KernelCase test = plain(200);
  test.archs = {"sm_90a"};
  test.edit = [&](std::string text) {
    const size_t at = text.rfind(part);
    return at == std::string::npos ? text : text.replace(at, part.size(), by);
  };
  return runKernelCase(test).front().status.toString();
}

TEST(QuantizeTest, FaultsWouldBeFound) {
  if (std::string missing = emu::missingNvrtc(); !missing.empty())
    GTEST_SKIP() << missing;
  EXPECT_EQ(withFault("no such text", ""), "ok");
  EXPECT_NE(withFault("storeE4m3End<200>", "storeE4m3End<184>"), "ok") << "the scale where codes are";
  EXPECT_NE(withFault("codeScale<", "codeInverse<"), "ok") << "the wrong factor";
  EXPECT_NE(withFault("fabsf(", "("), "ok") << "negative values do not count";
  EXPECT_NE(withFault("return;", ""), "ok") << "rows written behind the last";
}

} // namespace
} // namespace llmc
