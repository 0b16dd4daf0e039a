// The harness itself: a kernel of each family runs and agrees with the reference, a changed one does not.
#include "tests/emulator/kernel_case.h"

#include <gtest/gtest.h>

#include <regex>

namespace llmc::emu {
namespace {

std::string addNorm(int columns) {
  const std::string n = std::to_string(columns), x = "tensor<?x" + n + "xf32, #llm.dims<[T, " + n + "]>>";
  const std::string w = "!llm.weight<[" + n + "], #llm.q<f32>>";
  return "kern.func @k(%x: " + x + ", %y: " + x + ", %w: " + w + ", %b: !llm.batch) -> (" + x + ", " + x +
         ") attributes {hero = \"norm\"} {\n  %0 = llm.add %x, %y : " + x +
         "\n  %1 = llm.rmsnorm %0, %w {eps = 1.0e-5} : (" + x + ", " + w + ") -> " + x +
         "\n  kern.yield %0, %1 : " + x + ", " + x + "\n}\n";
}

std::string attend() {
  return R"(
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!kv = !llm.kv<layers = 2, heads = 2, dim = 16, page = 16>
kern.func @k(%q: !q, %kv: !kv, %b: !llm.batch) -> !q attributes {hero = "attend"} {
  %0 = llm.attend %q, %kv, %b {layer = 0, heads = 4, scale = 0.25} : (!q, !kv, !llm.batch) -> !q
  kern.yield %0 : !q
}
)";
}

std::string kvWrite() {
  return R"(
!x = tensor<?x96xf32, #llm.dims<[T, 96]>>
!h = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 2, heads = 2, dim = 16, page = 16>
!t = !llm.weight<[257, 16], #llm.q<f32>>
#r = #llm.rope<theta = 1.0e4, dim = 16, style = neox, scaling = none>
kern.func @k(%x: !x, %kv: !kv, %b: !llm.batch, %t: !t) -> !h attributes {hero = "kv_write"} {
  %q = llm.slice %x {offset = 0, size = 32} : (!x) -> !h
  %k = llm.slice %x {offset = 32, size = 32} : (!x) -> !h
  %v = llm.slice %x {offset = 64, size = 32} : (!x) -> !h
  %qr = llm.rope %q, %b, %t {rope = #r, head_dim = 16} : (!h, !llm.batch, !t) -> !h
  %kr = llm.rope %k, %b, %t {rope = #r, head_dim = 16} : (!h, !llm.batch, !t) -> !h
  llm.kv_write %kv, %kr, %v, %b {layer = 0} : (!kv, !h, !h, !llm.batch) -> ()
  kern.yield %qr : !h
}
)";
}

TEST(KernelCaseTest, RowKernel) { checkKernelCase({.text = addNorm(96)}); }

TEST(KernelCaseTest, CacheIsWrittenAndCompared) { checkKernelCase({.text = kvWrite()}); }

TEST(KernelCaseTest, AttentionOverScatteredPages) { checkKernelCase({.text = attend(), .tolerance = 4e-3}); }

TEST(KernelCaseTest, AChangedKernelIsFound) {
  if (std::string missing = missingNvrtc(); !missing.empty()) GTEST_SKIP() << missing;
  KernelCase test{.text = addNorm(96)};
  test.archs = {"sm_80"};
  test.edit = [](std::string text) {
    const size_t at = text.find("x_0.v[1] + x_1.v[1]");
    EXPECT_NE(at, std::string::npos) << text;
    return at == std::string::npos ? text : text.replace(at + 9, 1, "-");
  };
  std::vector<KernelOutcome> outcomes = runKernelCase(test);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_FALSE(outcomes[0].status.isOk());
  EXPECT_EQ(outcomes[0].status.code(), "EMU_VALUE") << outcomes[0].status.toString();
}

/// Before a buffer, and behind the room that follows it: the kernel's fault, even where nothing is checked.
TEST(KernelCaseTest, WildAccessesOfUncheckedRunsReachNobody) {
  if (std::string missing = missingNvrtc(); !missing.empty()) GTEST_SKIP() << missing;
  for (const char* row : {"(row - 1) * ", "(row + 600) * "}) {
    KernelCase test{.text = addNorm(96)};
    test.archs = {"sm_80"};
    test.checked = false;
    test.edit = [row](const std::string& text) {
      const std::string changed = std::regex_replace(text, std::regex(R"(\(row\) \* )"), row);
      EXPECT_NE(changed, text);
      return changed;
    };
    const KernelOutcome outcome = runKernelCase(test)[0];
    EXPECT_EQ(outcome.status.code(), "EMU_FAULT") << row << outcome.status.toString();
  }
}

TEST(KernelCaseTest, TextWithoutAKernelIsAnError) {
  for (const KernelOutcome& outcome : runKernelCase({.text = "module {}"}))
    EXPECT_EQ(outcome.status.code(), "EMU_CASE");
  for (const KernelOutcome& outcome : runKernelCase({.text = "kern.func"}))
    EXPECT_EQ(outcome.status.code(), "EMU_CASE");
}

}  // namespace
}  // namespace llmc::emu
