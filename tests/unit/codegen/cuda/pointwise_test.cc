// Elementwise ops on the emulator against doubles, alone and in chains.
#include "tests/emulator/kernel_case.h"
#include "tests/unit/codegen/cuda/row_text.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

using emu::checkKernelCase;

TEST(PointwiseTest, ChainWithTwoResultsOfOtherWidths) {
  checkKernelCase(
      {.text = kernelText("!h = " + rowsOf(192, "f16") + "\n!x = " + rowsOf(192) + "\n!y = " + rowsOf(96),
                          "%x: !h, %y: !x, %b: !llm.batch", "(!y, !x)",
                          "  %0 = llm.cast %x : (!h) -> !x\n  %1 = llm.mul %0, %y : !x\n"
                          "  %2 = llm.act %1 {fn = #llm.act_fn<gelu_tanh>} : !x\n"
                          "  %3 = llm.softcap %2 {cap = 3.0} : !x\n  %4 = llm.scale %3 {factor = 0.3} : !x\n"
                          "  %5 = llm.glu %4 {act = #llm.act_fn<silu>, interleave = 16} : (!x) -> !y\n"
                          "  kern.yield %5, %4 : !y, !x")});
}

TEST(PointwiseTest, GluOfTwoOperandsRounded) {
  for (const char *element : {"bf16", "f16"})
    checkKernelCase({.text = kernelText("!x = " + rowsOf(50) + "\n!h = " + rowsOf(50, element),
                                        "%x: !x, %y: !x, %b: !llm.batch", "!h",
                                        "  %0 = llm.glu %x, %y {act = #llm.act_fn<relu>} : (!x, !x) -> !x\n"
                                        "  %1 = llm.cast %0 : (!x) -> !h\n  kern.yield %1 : !h")});
}

TEST(PointwiseTest, RoundedInTheMiddle) {
  checkKernelCase(
      {.text = kernelText("!x = " + rowsOf(33) + "\n!h = " + rowsOf(33, "bf16"), "%x: !x, %b: !llm.batch", "!x",
                          "  %0 = llm.cast %x : (!x) -> !h\n  %1 = llm.cast %0 : (!h) -> !x\n"
                          "  %2 = llm.add %1, %x : !x\n  kern.yield %2 : !x")});
}

TEST(PointwiseTest, SlicesThatNoVectorHolds) {
  checkKernelCase({.text = kernelText("!x = " + rowsOf(91) + "\n!y = " + rowsOf(40), "%x: !x, %b: !llm.batch", "!y",
                                      "  %0 = llm.slice %x {offset = 3, size = 40} : (!x) -> !y\n"
                                      "  %1 = llm.slice %x {offset = 44, size = 40} : (!x) -> !y\n"
                                      "  %2 = llm.mul %0, %1 : !y\n  kern.yield %2 : !y")});
}

TEST(PointwiseTest, LargeValuesSaturate) {
  checkKernelCase({.text = kernelText("!x = " + rowsOf(64), "%x: !x, %b: !llm.batch", "!x",
                                      "  %0 = llm.act %x {fn = #llm.act_fn<silu>} : !x\n"
                                      "  %1 = llm.softcap %0 {cap = 30.0} : !x\n  kern.yield %1 : !x"),
                   .activations = 200});
}

} // namespace
} // namespace llmc
