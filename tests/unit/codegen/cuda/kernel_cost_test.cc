// The model's bytes are those that the emulator counts, for every family; its times follow from them.
#include "codegen/cuda/KernelCost.h"

#include "tests/emulator/kernel_case.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

struct Family {
  const char *name, *text;
  std::vector<emu::SequenceSpec> sequences;
  double keys = 0;    ///< of all contexts, as whole pages
  double least, most; ///< bytes that the emulator counts, as a share of the model's
  std::vector<emu::SampledRow> samples = {};
};

constexpr const char *kNorm = R"(
!x = tensor<?x1024xf32, #llm.dims<[T, 1024]>>
!y = tensor<?x1024xbf16, #llm.dims<[T, 1024]>>
!w = !llm.weight<[1024], #llm.q<f32>>
kern.func @k(%x: !x, %r: !x, %w: !w, %b: !llm.batch) -> (!x, !y) attributes {hero = "norm"} {
  %0 = llm.add %x, %r : !x
  %1 = llm.rmsnorm %0, %w {eps = 1.0e-5} : (!x, !w) -> !x
  %2 = llm.cast %1 : (!x) -> !y
  kern.yield %0, %2 : !x, !y
}
)";
constexpr const char *kEmbed = R"(
!x = tensor<?x256xf32, #llm.dims<[T, 256]>>
!w = !llm.weight<[32, 256], #llm.q<f16>>
kern.func @k(%b: !llm.batch, %w: !w) -> !x attributes {hero = "embed"} {
  %0 = llm.embed %b, %w : (!llm.batch, !w) -> !x
  kern.yield %0 : !x
}
)";
constexpr const char *kKvWrite = R"(
!kv = !llm.kv<layers = 2, heads = 2, dim = 64, page = 16>
!x = tensor<?x256xf32, #llm.dims<[T, 256]>>
!h = tensor<?x128xf32, #llm.dims<[T, 128]>>
kern.func @k(%x: !x, %kv: !kv, %b: !llm.batch) -> () attributes {hero = "kv_write"} {
  %k = llm.slice %x {offset = 0, size = 128} : (!x) -> !h
  %v = llm.slice %x {offset = 128, size = 128} : (!x) -> !h
  llm.kv_write %kv, %k, %v, %b {layer = 0} : (!kv, !h, !h, !llm.batch) -> ()
  kern.yield
}
)";
constexpr const char *kMerge = R"(
!p = tensor<?x528xf32, #llm.dims<[T, 528]>>
!x = tensor<?x128xf32, #llm.dims<[T, 128]>>
kern.func @k(%p: !p, %b: !llm.batch) -> !x attributes {hero = "pointwise"} {
  %0 = llm.attend_merge %p {heads = 2, head_dim = 64, splits = 4} : (!p) -> !x
  kern.yield %0 : !x
}
)";
constexpr const char *kArgmax = R"(
!x = tensor<?x4096xf32, #llm.dims<[S, 4096]>>
!a = tensor<?x8xf32, #llm.dims<[S, 8]>>
kern.func @k(%x: !x, %b: !llm.batch) -> !a attributes {hero = "argmax"} {
  %0 = llm.argmax %x {tile = 1024} : (!x) -> !a
  kern.yield %0 : !a
}
)";
constexpr const char *kAttend = R"(
!q = tensor<?x512xf32, #llm.dims<[T, 512]>>
!r = tensor<?x1056xf32, #llm.dims<[T, 1056]>>
!kv = !llm.kv<layers = 2, heads = 2, dim = 64, page = 16>
kern.func @k(%q: !q, %kv: !kv, %b: !llm.batch) -> !r attributes {hero = "attend"} {
  %0 = llm.attend_partial %q, %kv, %b {layer = 0, heads = 8, scale = 0.25, splits = 2} : (!q, !kv, !llm.batch) -> !r
  kern.yield %0 : !r
}
)";
constexpr const char *kSample = R"(
!l = tensor<?x8192xf32, #llm.dims<[S, 8192]>>
!a = tensor<?x16xf32, #llm.dims<[S, 16]>>
!t = tensor<?x1xf32, #llm.dims<[S, 1]>>
kern.func @k(%l: !l, %a: !a, %b: !llm.batch) -> !t attributes {hero = "sample"} {
  %0 = llm.sample %l, %a, %b : (!l, !a, !llm.batch) -> !t
  kern.yield %0 : !t
}
)";
constexpr const char *kPrompt = R"(
!q = tensor<?x512xf32, #llm.dims<[T, 512]>>
!kv = !llm.kv<layers = 2, heads = 2, dim = 64, page = 16>
kern.func @k(%q: !q, %kv: !kv, %b: !llm.batch) -> !q attributes {hero = "attend"} {
  %0 = llm.attend %q, %kv, %b {layer = 0, heads = 8, scale = 0.25} : (!q, !kv, !llm.batch) -> !q
  kern.yield %0 : !q
}
)";
constexpr const char *kQuantize = R"(
!x = tensor<?x1024xf32, #llm.dims<[T, 1024]>>
!q = !llm.qact<[T, 1024], e4m3>
kern.func @k(%x: !x, %b: !llm.batch) -> !q attributes {hero = "pointwise"} {
  %0 = llm.quantize %x : (!x) -> !q
  kern.yield %0 : !q
}
)";

/// Greedy, and a draw from what top-k and top-p leave.
std::vector<emu::SampledRow> sampledRows() {
  std::vector<emu::SampledRow> rows(3);
  rows[0].params.temperature = 0;
  rows[1].params.topK = 40, rows[1].params.topP = 0.9;
  return rows;
}

double countedBytes(const emu::Counters &counters) {
  return static_cast<double>(counters.globalReadBytes + counters.globalWriteBytes);
}

/// Each family reads what it needs once. On top come words of the batch (a warp's lanes read the same ones), and for
/// small rows that is much; of a norm each row reads the weights, of attention each warp the queries, of sampling each
/// filter the logits: memory gives these once.
TEST(KernelCostTest, TheEmulatorCountsTheModelsBytes) {
  if (std::string missing = emu::missingNvrtc(); !missing.empty())
    GTEST_SKIP() << missing;
  const std::vector<emu::SequenceSpec> rows = {{0, 1}, {16, 1}, {32, 1}}, decode = {{511, 1}, {255, 1}};
  const Family families[] = {{"norm", kNorm, rows, 0, 1, 1.25},
                             {"embed", kEmbed, rows, 0, 1, 2.3},
                             {"kv_write", kKvWrite, rows, 0, 1, 2.3},
                             {"merge", kMerge, rows, 0, 0.4, 1.5},
                             {"argmax", kArgmax, rows, 0, 1, 1.3},
                             {"attend", kAttend, decode, 768, 1, 1.5},
                             {"prompt", kPrompt, {{0, 100}}, 112, 1, 1.5},
                             {"quantize", kQuantize, rows, 0, 1, 1.3},
                             {"sample", kSample, rows, 0, 1, 3, sampledRows()}};
  for (const Family &family : families) {
    SCOPED_TRACE(family.name);
    emu::KernelCase test;
    test.text = family.text, test.sequences = family.sequences, test.tolerance = 5e-3;
    test.archs = {"sm_80"}, test.allOrders = false, test.samples = family.samples;
    for (const emu::KernelOutcome &outcome : emu::runKernelCase(test)) {
      ASSERT_TRUE(outcome.status.isOk()) << outcome.status.toString();
      double rowCount = 0;
      for (const emu::SequenceSpec &sequence : family.sequences)
        rowCount += static_cast<double>(sequence.tokens);
      const double model =
          kernelTime(gpuOf(*findArch("sm_80")), outcome.cost, {rowCount, family.keys, family.keys}).bytes;
      EXPECT_GE(countedBytes(outcome.counters), family.least * model);
      EXPECT_LE(countedBytes(outcome.counters), family.most * model);
      std::printf("%s: %.0f bytes, the model's %.0f\n", family.name, countedBytes(outcome.counters), model);
    }
  }
}

const Gpu &hopper() { return gpuOf(*findArch("sm_90a")); }

TEST(KernelCostTest, FewBytesTakeALaunch) {
  KernelCost cost;
  cost.rowBytes = 4096, cost.blockBytes = 4096;
  const KernelTime time = kernelTime(hopper(), cost, {1, 0, 0});
  EXPECT_DOUBLE_EQ(time.us, kLeastUs + kMemoryLatencyUs);
  EXPECT_STREQ(time.limit, "latency");
}

TEST(KernelCostTest, ManyBytesTakeWhatMemoryGives) {
  KernelCost cost;
  cost.keyBytes = 1024, cost.rowBlocks = 128, cost.blockBytes = 65536, cost.residentBlocks = 2;
  const KernelTime time = kernelTime(hopper(), cost, {32, 1e6, 0});
  EXPECT_NEAR(time.us, kLeastUs + 1024e6 / 3.35e6, 0.1);
  EXPECT_STREQ(time.limit, "memory");
}

TEST(KernelCostTest, AFewBlocksGetWhatTheyHaveUnderWay) {
  KernelCost cost;
  cost.keyBytes = 1024, cost.rowBlocks = 4, cost.blockBytes = 13000;
  EXPECT_NEAR(kernelTime(hopper(), cost, {1, 1e4, 0}).us, kLeastUs + 1024e4 / (4 * 13000 / 1.3), 0.1);
}

TEST(KernelCostTest, FlopsCountWhereUnitsHaveARate) {
  KernelCost cost;
  cost.pairFlops = 1e6, cost.tflops = 500;
  const KernelTime time = kernelTime(hopper(), cost, {1, 0, 1e6});
  EXPECT_NEAR(time.us, kLeastUs + 1e12 / 500e6, 0.1);
  EXPECT_STREQ(time.limit, "compute");
}

TEST(KernelCostTest, ProductsAreBetweenTheirModelsRows) {
  KernelCost cost;
  cost.times = {{1, 10, "memory"}, {2, 12, "memory"}, {4, 20, "L2"}};
  EXPECT_DOUBLE_EQ(kernelTime(hopper(), cost, {1, 0, 0}).us, 10);
  EXPECT_DOUBLE_EQ(kernelTime(hopper(), cost, {3, 0, 0}).us, 16);
  EXPECT_STREQ(kernelTime(hopper(), cost, {3, 0, 0}).limit, "L2");
  EXPECT_DOUBLE_EQ(kernelTime(hopper(), cost, {8, 0, 0}).us, 40);
}

} // namespace
} // namespace llmc
