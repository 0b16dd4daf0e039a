// embed over all layouts, ropes of both styles, and the parts of a split context, on the emulator against doubles.
#include "codegen/cuda/Nvrtc.h"
#include "runtime/format/kernel_abi.h"
#include "tests/emulator/kernel_case.h"
#include "tests/emulator/ptx_program.h"
#include "tests/unit/codegen/cuda/module_text.h"
#include "tests/unit/codegen/cuda/row_text.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace llmc {
namespace {

using emu::checkKernelCase;

std::string embed(const char *quant, int64_t columns) {
  return kernelText("!x = " + rowsOf(columns) + "\n!e = !llm.weight<[100, " + std::to_string(columns) + "], #llm.q<" +
                        quant + ">>",
                    "%b: !llm.batch, %e: !e", "!x",
                    "  %0 = llm.embed %b, %e {scale = 2.5} : (!llm.batch, !e) -> !x\n"
                    "  kern.yield %0 : !x",
                    "embed");
}

TEST(LookupsTest, EmbedOfEveryLayout) {
  for (const char *quant : {"f16", "bf16", "i8, 32, sym", "i4, 32, sym", "i4, 32, asym"})
    for (int64_t columns : {160, 70}) { // 70: padded to the layout's superblock
      if (columns == 70 && std::string(quant).find(',') != std::string::npos)
        continue; // groups of 32 are whole
      checkKernelCase({.text = embed(quant, columns), .vocabulary = 100});
    }
}

/// No thread waits for another, so that one order is enough.
TEST(LookupsTest, EmbedOfBlocksOfFiles) {
  for (const char *quant :
       {"i5, 32, sym", "i5, 32, asym", "i4, 32, asym, k256", "i5, 32, asym, k256", "i6, 16, sym, k256"}) {
    SCOPED_TRACE(quant);
    emu::KernelCase test{.text = embed(quant, 512), .archs = {"sm_90a"}, .vocabulary = 100};
    test.allOrders = false;
    checkKernelCase(test);
  }
}

std::string rope(int64_t heads, int64_t headDim, int64_t dim, const char *style) {
  std::string d = std::to_string(dim);
  return kernelText("!x = " + rowsOf(heads * headDim) + "\n!t = !llm.weight<[260, " + d + "], #llm.q<f32>>",
                    "%x: !x, %b: !llm.batch, %t: !t", "!x",
                    "  %0 = llm.rope %x, %b, %t {rope = #llm.rope<theta = 1.0e4, dim = " + d + ", style = " + style +
                        ", scaling = none>, head_dim = " + std::to_string(headDim) +
                        "} : (!x, !llm.batch, !t) -> !x\n"
                        "  kern.yield %0 : !x");
}

TEST(LookupsTest, RopeOfWholeHeads) {
  for (const char *style : {"neox", "gptj"})
    checkKernelCase({.text = rope(3, 32, 32, style), .sequences = {{0, 3}, {300, 2}, {255, 2}}});
}
TEST(LookupsTest, RopeOfPartsOfHeads) {
  for (const char *style : {"neox", "gptj"})
    checkKernelCase({.text = rope(2, 40, 20, style), .sequences = {{0, 3}, {511, 2}}});
  checkKernelCase({.text = rope(3, 6, 2, "gptj"), .sequences = {{7, 3}}});
}

TEST(LookupsTest, MergeOfParts) {
  for (auto [dim, splits] : {std::pair<int64_t, int64_t>{32, 16}, {16, 1}, {6, 3}, {5, 9}}) {
    std::string text = "{heads = 3, head_dim = " + std::to_string(dim) + ", splits = " + std::to_string(splits) + "}";
    checkKernelCase({.text = kernelText("!p = " + rowsOf(3 * splits * (dim + 2)) + "\n!x = " + rowsOf(3 * dim) +
                                            "\n!h = " + rowsOf(3 * dim, "bf16"),
                                        "%p: !p, %b: !llm.batch", "(!x, !h)",
                                        "  %0 = llm.attend_merge %p " + text +
                                            " : (!p) -> !x\n"
                                            "  %1 = llm.cast %0 : (!x) -> !h\n  kern.yield %0, %1 : !x, !h"),
                     .tolerance = 1e-2}); // random sums of weights cancel
  }
}

TEST(LookupsTest, MergeOfPartsWithSinks) {
  checkKernelCase(
      {.text = kernelText("!p = " + rowsOf(3 * 5 * 34) + "\n!x = " + rowsOf(3 * 32) +
                              "\n!s = !llm.weight<[3], #llm.q<f32>>",
                          "%p: !p, %s: !s, %b: !llm.batch", "!x",
                          "  %0 = llm.attend_merge %p, %s {heads = 3, head_dim = 32, splits = 5} : (!p, !s) -> !x\n"
                          "  kern.yield %0 : !x"),
       .tolerance = 1e-2});
}

/// Parts of two splits by hand: one head whose second part has no keys and holds NaN, as attend_partial leaves it.
TEST(LookupsTest, PartsWithoutKeysAreNotRead) {
  if (std::string missing = emu::missingNvrtc(); !missing.empty())
    GTEST_SKIP() << missing;
  constexpr int kDim = 4, kPart = kDim + 2;
  ModuleText text(kernelText("!p = " + rowsOf(2 * 2 * kPart) + "\n!x = " + rowsOf(2 * kDim), "%p: !p, %b: !llm.batch",
                             "!x",
                             "  %0 = llm.attend_merge %p {heads = 2, head_dim = 4, splits = 2} : (!p) -> !x\n"
                             "  kern.yield %0 : !x"));
  ASSERT_TRUE(text.module()) << text.diagnostics();
  auto kernel = text.emit();
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  auto nvrtc = Nvrtc::load();
  ASSERT_TRUE(nvrtc.isOk());
  auto made = (*nvrtc)->compile(*kernel, *findArch("sm_90a"));
  ASSERT_TRUE(made.isOk()) << made.status().toString();
  auto program = emu::PtxProgram::load(made->ptx);
  ASSERT_TRUE(program.isOk()) << program.status().toString();
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  alignas(64) const float parts[2][2][kPart] = {{{2, 4, 6, 8, 1.5f, 2}, {nan, nan, nan, nan, -inf, 0}},
                                                {{1, 1, 1, 1, 0, 1}, {3, 5, 7, 9, 0, 3}}};
  alignas(64) float out[2 * kDim];
  rt::Batch batch;
  batch.tokens = 1;
  const uint64_t words[] = {reinterpret_cast<uint64_t>(parts), reinterpret_cast<uint64_t>(&batch),
                            reinterpret_cast<uint64_t>(out)};
  rt::Status status = (*program)->launch(kernel->symbol, {1, 1, 1}, {static_cast<uint32_t>(kernel->threads), 1, 1}, 0,
                                         std::as_bytes(std::span(words)));
  ASSERT_TRUE(status.isOk()) << status.toString();
  const float expected[] = {1, 2, 3, 4, 1, 1.5f, 2, 2.5f};
  for (int i = 0; i < 2 * kDim; ++i)
    EXPECT_FLOAT_EQ(out[i], expected[i]) << i;
}

} // namespace
} // namespace llmc
