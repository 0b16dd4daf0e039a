// Queries, keys and values on the emulator: page edges, head sizes, norms of heads and of whole rows before the cache.
#include "tests/emulator/kernel_case.h"
#include "tests/unit/codegen/cuda/module_text.h"
#include "tests/unit/codegen/cuda/row_text.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

using emu::checkKernelCase;

struct Heads {
  int64_t queries, keys, dim;
  std::string style = "neox";
  bool normed = false; ///< head norms of queries and keys
  bool whole = false;  ///< a norm of the whole row before
  int64_t ropeDim = 0; ///< 0: dim
  std::string kind = "f16";
};

std::string kvWrite(const Heads &h) {
  const int64_t q = h.queries * h.dim, k = h.keys * h.dim, ropeDim = h.ropeDim ? h.ropeDim : h.dim;
  auto number = [](int64_t value) { return std::to_string(value); };
  std::string types = "!x = " + rowsOf(q + 2 * k) + "\n!q = " + rowsOf(q) + "\n!k = " + rowsOf(k) +
                      "\n!w = " + vectorOf(h.dim) + "\n!v = " + vectorOf(q + 2 * k) + "\n!t = !llm.weight<[260, " +
                      number(ropeDim) + "], #llm.q<f32>>" + "\n!kv = !llm.kv<layers = 2, heads = " + number(h.keys) +
                      ", dim = " + number(h.dim) + ", page = 16, kind = " + h.kind +
                      ">\n#r = #llm.rope<theta = 1.0e4, dim = " + number(ropeDim) + ", style = " + h.style +
                      ", scaling = none>";
  std::string norm = " {eps = 1.0e-5, segment = " + number(h.dim) + "} : ",
              ropeText = " {rope = #r, head_dim = " + number(h.dim) + "} : ";
  std::string body = h.whole ? "  %n = llm.rmsnorm %x, %v {eps = 1.0e-5} : (!x, !v) -> !x\n"
                             : "  %n = llm.scale %x {factor = 0.5} : !x\n";
  body += "  %q0 = llm.slice %n {offset = 0, size = " + number(q) + "} : (!x) -> !q\n" +
          "  %k0 = llm.slice %n {offset = " + number(q) + ", size = " + number(k) + "} : (!x) -> !k\n" +
          "  %v0 = llm.slice %n {offset = " + number(q + k) + ", size = " + number(k) + "} : (!x) -> !k\n";
  std::string from = "0";
  if (h.normed) {
    body += "  %q1 = llm.rmsnorm %q0, %w" + norm + "(!q, !w) -> !q\n  %k1 = llm.rmsnorm %k0, %w" + norm +
            "(!k, !w) -> !k\n";
    from = "1";
  }
  body += "  %q2 = llm.rope %q" + from + ", %b, %t" + ropeText + "(!q, !llm.batch, !t) -> !q\n" +
          "  %k2 = llm.rope %k" + from + ", %b, %t" + ropeText + "(!k, !llm.batch, !t) -> !k\n" +
          "  llm.kv_write %kv, %k2, %v0, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()\n  kern.yield %q2 : !q";
  return kernelText(types, "%x: !x, %kv: !kv, %b: !llm.batch, %w: !w, %v: !v, %t: !t", "!q", body, "kv_write");
}

TEST(KvWriteKernelTest, PageEdges) {
  checkKernelCase({.text = kvWrite({4, 2, 16}), .sequences = {{15, 1}, {16, 1}, {14, 4}, {0, 33}}});
}
TEST(KvWriteKernelTest, HeadNorms) { checkKernelCase({.text = kvWrite({3, 1, 64, "neox", true})}); }
TEST(KvWriteKernelTest, WholeRowNormAndHeadNorms) {
  checkKernelCase({.text = kvWrite({2, 1, 32, "neox", true, true})});
}
/// Stored as bf16, or as codes with a scale for each token and head: page edges, odd head sizes, norms before them.
TEST(KvWriteKernelTest, OtherKindsOfCache) {
  for (const char *kind : {"bf16", "i8", "e4m3"}) {
    SCOPED_TRACE(kind);
    Heads small{4, 2, 16}, normed{3, 1, 64, "neox", true}, odd{5, 1, 80, "neox", true, false, 20}, wide{1, 1, 256};
    for (Heads *heads : {&small, &normed, &odd, &wide})
      heads->kind = kind;
    checkKernelCase({.text = kvWrite(small), .sequences = {{15, 1}, {16, 1}, {14, 4}, {0, 33}}});
    checkKernelCase({.text = kvWrite(normed)});
    checkKernelCase({.text = kvWrite(odd), .sequences = {{3, 1}}});
    checkKernelCase({.text = kvWrite(wide), .sequences = {{0, 2}}});
  }
}

TEST(KvWriteKernelTest, WideHeadsOfPairs) { checkKernelCase({.text = kvWrite({2, 1, 128, "gptj", true})}); }
TEST(KvWriteKernelTest, HeadsThatFillNoWarp) {
  checkKernelCase({.text = kvWrite({5, 1, 80, "neox", true, false, 20}), .sequences = {{3, 1}}});
  checkKernelCase({.text = kvWrite({1, 1, 256}), .sequences = {{0, 2}}});
}

TEST(KvWriteKernelTest, LaunchHasAWarpForEachHead) {
  ModuleText text(kvWrite({9, 3, 64}));
  ASSERT_TRUE(text.module()) << text.diagnostics();
  auto kernel = text.emit();
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  EXPECT_EQ(kernel->threads, 128);
  EXPECT_EQ(kernel->grid[0], GridDim::rows(llm::Dim::T(), 1));
  EXPECT_EQ(kernel->grid[1], GridDim::fixed(4)); // 15 heads, 4 a block
}

TEST(KvWriteKernelTest, RefusesResultsThatAreNoHeads) {
  const std::string refusal = refusalOf(kernelText(
      "!x = " + rowsOf(40) + "\n!k = " + rowsOf(32) + "\n!kv = !llm.kv<layers = 1, heads = 1, dim = 32, page = 16>",
      "%x: !x, %k: !k, %kv: !kv, %b: !llm.batch", "!x",
      "  llm.kv_write %kv, %k, %k, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()\n"
      "  kern.yield %x : !x",
      "kv_write"));
  EXPECT_NE(refusal.find("expected result 0 of a kernel with kv_write to be heads of 32"), std::string::npos)
      << refusal;
}

} // namespace
} // namespace llmc
