// Norms on the emulator against doubles: widths of one column to many steps, segments, offsets, rows that are selected.
#include "tests/emulator/kernel_case.h"
#include "tests/unit/codegen/cuda/row_text.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

using emu::checkKernelCase;
using emu::KernelCase;

std::string rmsnorm(int64_t columns) {
  return kernelText("!x = " + rowsOf(columns) + "\n!w = " + vectorOf(columns), "%x: !x, %w: !w, %b: !llm.batch", "!x",
                    "  %0 = llm.rmsnorm %x, %w {eps = 1.0e-5} : (!x, !w) -> !x\n  kern.yield %0 : !x", "norm");
}

TEST(NormsTest, OneColumn) { checkKernelCase({.text = rmsnorm(1)}); }
TEST(NormsTest, OddColumnsOneRow) { checkKernelCase({.text = rmsnorm(37), .sequences = {{4, 1}}}); }
TEST(NormsTest, WholeBlockSixteenRows) { checkKernelCase({.text = rmsnorm(512), .sequences = {{0, 16}}}); }
TEST(NormsTest, RowsOfSeveralSteps) { checkKernelCase({.text = rmsnorm(4100), .sequences = {{0, 2}, {9, 1}}}); }
TEST(NormsTest, RowsTooWideForRegisters) { checkKernelCase({.text = rmsnorm(36868), .sequences = {{0, 1}, {3, 1}}}); }

TEST(NormsTest, SumNormAndCastInOne) {
  checkKernelCase(
      {.text = kernelText("!x = " + rowsOf(576) + "\n!h = " + rowsOf(576, "bf16") + "\n!w = " + vectorOf(576),
                          "%x: !x, %y: !x, %w: !w, %b: !llm.batch", "(!h, !x)",
                          "  %0 = llm.add %x, %y : !x\n"
                          "  %1 = llm.rmsnorm %0, %w {eps = 1.0e-6, unit_offset = true} : (!x, !w) -> !x\n"
                          "  %2 = llm.cast %1 : (!x) -> !h\n  kern.yield %2, %0 : !h, !x",
                          "norm")});
}

TEST(NormsTest, Segments) {
  for (auto [columns, segment] : {std::pair<int64_t, int64_t>{192, 64}, {45, 5}, {96, 12}})
    checkKernelCase({.text = kernelText("!x = " + rowsOf(columns) + "\n!w = " + vectorOf(segment),
                                        "%x: !x, %w: !w, %b: !llm.batch", "!x",
                                        "  %0 = llm.rmsnorm %x, %w {eps = 1.0e-5, segment = " +
                                            std::to_string(segment) + "} : (!x, !w) -> !x\n  kern.yield %0 : !x",
                                        "norm")});
}

TEST(NormsTest, LayerNormWithAndWithoutBias) {
  std::string types = "!x = " + rowsOf(202) + "\n!w = " + vectorOf(202);
  checkKernelCase({.text = kernelText(types, "%x: !x, %w: !w, %v: !w, %b: !llm.batch", "!x",
                                      "  %0 = llm.layernorm %x, %w, %v {eps = 1.0e-5} : (!x, !w, !w) -> !x\n"
                                      "  kern.yield %0 : !x",
                                      "norm")});
  checkKernelCase({.text = kernelText(types, "%x: !x, %w: !w, %b: !llm.batch", "!x",
                                      "  %0 = llm.layernorm %x, %w {eps = 1.0e-5} : (!x, !w) -> !x\n"
                                      "  kern.yield %0 : !x",
                                      "norm")});
}

TEST(NormsTest, NormOfANormOfSelectedRows) {
  checkKernelCase(
      {.text = kernelText("!x = " + rowsOf(80) + "\n!s = " + rowsOf(80, "f32", "S") + "\n!w = " + vectorOf(80),
                          "%x: !x, %w: !w, %b: !llm.batch", "!s",
                          "  %0 = llm.rmsnorm %x, %w {eps = 1.0e-5} : (!x, !w) -> !x\n"
                          "  %1 = llm.select_rows %0, %b : (!x, !llm.batch) -> !s\n"
                          "  %2 = llm.layernorm %1, %w {eps = 1.0e-5} : (!s, !w) -> !s\n"
                          "  kern.yield %2 : !s",
                          "norm")});
}

/// What the emulator says of rmsnorm over segments when `part` of its text is replaced, the last time it occurs.
std::string withFault(const std::string &part, const std::string &by) {
  KernelCase test{.text = kernelText("!x = " + rowsOf(192) + "\n!w = " + vectorOf(64), "%x: !x, %w: !w, %b: !llm.batch",
                                     "!x",
                                     "  %0 = llm.rmsnorm %x, %w {eps = 1.0e-5, segment = 64} : (!x, !w) -> !x\n"
                                     "  kern.yield %0 : !x",
                                     "norm")};
  test.archs = {"sm_90a"};
  test.edit = [&](std::string text) {
    const size_t at = text.rfind(part);
    return at == std::string::npos ? text : text.replace(at, part.size(), by);
  };
  return runKernelCase(test).front().status.toString();
}

TEST(NormsTest, FaultsWouldBeFound) {
  if (std::string missing = emu::missingNvrtc(); !missing.empty())
    GTEST_SKIP() << missing;
  EXPECT_EQ(withFault("no such text", ""), "ok");
  EXPECT_NE(withFault("__syncthreads();", ""), "ok") << "factors read before all are written";
  EXPECT_NE(withFault("return;", ""), "ok") << "rows written behind the last";
  EXPECT_NE(withFault("warpSum(", "("), "ok") << "sums of one lane";
}

} // namespace
} // namespace llmc
