// Every planted fault is found, in each family of kernels.
#include "tests/emulator/planted_faults.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <thread>

namespace llmc::emu {
namespace {

std::string norm() {
  return R"(
!x = tensor<?x1000xf32, #llm.dims<[T, 1000]>>
!w = !llm.weight<[1000], #llm.q<f32>>
kern.func @k(%x: !x, %w: !w, %b: !llm.batch) -> !x attributes {hero = "norm"} {
  %0 = llm.rmsnorm %x, %w {eps = 1.0e-5} : (!x, !w) -> !x
  kern.yield %0 : !x
}
)";
}

std::string embed() {
  return R"(
!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[32, 64], #llm.q<f16>>
kern.func @k(%b: !llm.batch, %w: !w) -> !x attributes {hero = "embed"} {
  %0 = llm.embed %b, %w : (!llm.batch, !w) -> !x
  kern.yield %0 : !x
}
)";
}

std::string kvWrite(const std::string& kind = "f16") {
  return "!kv = !llm.kv<layers = 2, heads = 2, dim = 16, page = 16, kind = " + kind + ">" + R"(
!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!h = tensor<?x32xf32, #llm.dims<[T, 32]>>
!t = !llm.weight<[257, 16], #llm.q<f32>>
kern.func @k(%x: !x, %kv: !kv, %b: !llm.batch, %t: !t) -> () attributes {hero = "kv_write"} {
  %k = llm.slice %x {offset = 0, size = 32} : (!x) -> !h
  %v = llm.slice %x {offset = 32, size = 32} : (!x) -> !h
  %r = llm.rope %k, %b, %t {rope = #llm.rope<theta = 1.0e4, dim = 16, style = neox, scaling = none>, head_dim = 16} : (!h, !llm.batch, !t) -> !h
  llm.kv_write %kv, %r, %v, %b {layer = 0} : (!kv, !h, !h, !llm.batch) -> ()
  kern.yield
}
)";
}

std::string attend(bool partial, const std::string& kind = "f16") {
  const std::string r = partial ? "tensor<?x272xf32, #llm.dims<[T, 272]>>" : "tensor<?x128xf32, #llm.dims<[T, 128]>>";
  return "!q = tensor<?x128xf32, #llm.dims<[T, 128]>>\n!r = " + r +
         "\n!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16, kind = " + kind +
         ">\n"
         "kern.func @k(%q: !q, %kv: !kv, %b: !llm.batch) -> !r attributes {hero = \"attend\"} {\n  %0 = llm.attend" +
         (partial ? "_partial" : "") + " %q, %kv, %b {layer = 0, heads = 4, scale = 0.25" +
         (partial ? ", splits = 2" : "") + "} : (!q, !kv, !llm.batch) -> !r\n  kern.yield %0 : !r\n}\n";
}

std::string product(const std::string& x, const std::string& quant) {
  return "!x = " + x + "\n!w = !llm.weight<[48, 512], #llm.q<" + quant + ">>" + R"(
!y = tensor<?x48xf32, #llm.dims<[T, 48]>>
kern.func @k(%x: !x, %w: !w, %b: !llm.batch) -> !y attributes {hero = "linear"} {
  %0 = llm.linear %x, %w : (!x, !w) -> !y
  kern.yield %0 : !y
}
)";
}

const char* const kBf16Rows = "tensor<?x512xbf16, #llm.dims<[T, 512]>>";
const char* const kE4M3Rows = "!llm.qact<[T, 512], e4m3>";

std::string quantize() {
  return R"(
!x = tensor<?x1000xf32, #llm.dims<[T, 1000]>>
!q = !llm.qact<[T, 1000], e4m3>
kern.func @k(%x: !x, %b: !llm.batch) -> !q attributes {hero = "pointwise"} {
  %0 = llm.quantize %x : (!x) -> !q
  kern.yield %0 : !q
}
)";
}

std::string argmax() {
  return R"(
!x = tensor<?x3000xf32, #llm.dims<[S, 3000]>>
!a = tensor<?x6xf32, #llm.dims<[S, 6]>>
kern.func @k(%x: !x, %b: !llm.batch) -> !a attributes {hero = "argmax"} {
  %0 = llm.argmax %x {tile = 1024} : (!x) -> !a
  kern.yield %0 : !a
}
)";
}

std::string sample() {
  return R"(
!l = tensor<?x1200xf32, #llm.dims<[S, 1200]>>
!a = tensor<?x4xf32, #llm.dims<[S, 4]>>
!t = tensor<?x1xf32, #llm.dims<[S, 1]>>
kern.func @k(%l: !l, %a: !a, %b: !llm.batch) -> !t attributes {hero = "sample"} {
  %0 = llm.sample %l, %a, %b : (!l, !a, !llm.batch) -> !t
  kern.yield %0 : !t
}
)";
}

/// A row for each way through the kernel.
std::vector<SampledRow> sampledRows() {
  std::vector<SampledRow> rows;
  std::vector<rt::SamplingParams> asked(7);
  asked[0].temperature = 0;
  asked[0].logitBias = {{3, 2.0F}, {700, 4.0F}};
  asked[2].topK = 300;
  asked[2].topP = 0.9;
  asked[3].topP = 0.97;
  asked[4].topP = 0.3;
  asked[4].presencePenalty = 1;
  asked[5].minP = 0.2;
  asked[6].temperature = 0;  // without edits: the tiles alone decide
  for (size_t i = 0; i < asked.size(); ++i) {
    asked[i].seed = 11 + i;
    rows.push_back({.params = asked[i], .generated = {5, 900, 5}});
  }
  return rows;
}

/// Sums of a split without keys mean nothing, and its kernel need not write them.
void ignoreEmptySplits(size_t, reference::Tensor& want, reference::Tensor& got) {
  for (int64_t row = 0; row < want.rows; ++row)
    for (int64_t split = 0; split < want.cols; split += 34)
      for (int64_t i = 0; i < 32; ++i)
        if (want.at(row, split + 33) == 0) got.at(row, split + i) = want.at(row, split + i);
}

/// A family: a kernel without faults.
struct Family {
  const char* name;
  KernelCase test;
};

std::vector<Family> families() {
  KernelCase base;
  base.archs = {"sm_80"};
  auto make = [&](std::string text, std::vector<SequenceSpec> sequences, double tolerance = 0, int64_t mMax = 0) {
    KernelCase test = base;
    test.text = std::move(text);
    test.sequences = std::move(sequences);
    test.tolerance = tolerance;
    test.mMax = mMax;
    return test;
  };
  const std::vector<SequenceSpec> mixed = {{0, 3}, {21, 1}, {5, 40}, {170, 1}}, decode = {{199, 1}, {330, 1}, {15, 1}};
  KernelCase partial = make(attend(true), decode, 4e-3);
  partial.adjust = ignoreEmptySplits;
  KernelCase bytes = make(attend(true, "i8"), decode, 5e-3);
  bytes.adjust = ignoreEmptySplits;
  KernelCase sampled = make(sample(), std::vector<SequenceSpec>(7, {0, 1}), 1e-30);
  sampled.samples = sampledRows();
  // Three tiles of tokens, which checked runs give to one block; eight steps are two rounds of the ring.
  KernelCase warpgroups = make(product(kBf16Rows, "i4, 128, asym"), {{0, 300}}, 3e-3);
  warpgroups.archs = {"sm_90a"};
  warpgroups.warpgroups = true;
  warpgroups.tuned = {{"cluster", 1}, {"panels", 1}};
  // Two blocks share weights, each of both warpgroups has 128 rows; of three tiles of tokens the cluster has four.
  KernelCase cluster = warpgroups;
  cluster.tuned = {{"cluster", 2}, {"panels", 2}};
  KernelCase splitTile = make(product(kBf16Rows, "i4, 32, asym"), {{0, 60}}, 0, 64);
  splitTile.tuned = {{"splits", 2}, {"stages", 2}};
  KernelCase split = make(product(kBf16Rows, "i4, 32, asym"), decode, 0, 8);
  split.tuned = {{"k_warps", 4}, {"held", 1}, {"splits", 2}};
  return {{"norm", make(norm(), mixed)},
          {"split product of 8", split},
          {"warpgroups", warpgroups},
          {"cluster", cluster},
          {"split product of 64", splitTile},
          {"embed", make(embed(), mixed)},
          {"kv_write", make(kvWrite(), mixed)},
          {"attend", make(attend(false), mixed, 4e-3)},
          {"attend_partial", partial},
          {"kv_write of bytes", make(kvWrite("i8"), mixed)},
          {"attend to bytes", make(attend(false, "e4m3"), mixed, 5e-3)},
          {"attend_partial to bytes", bytes},
          {"product of 8", make(product(kBf16Rows, "i4, 32, asym"), decode, 0, 8)},
          {"product of any", make(product(kBf16Rows, "i4, 32, asym"), {{0, 70}})},
          {"wide groups of 8", make(product(kBf16Rows, "i4, 128, asym"), decode, 0, 8)},
          {"wide groups of any", make(product(kBf16Rows, "i4, 128, asym"), {{0, 70}})},
          {"Q6_K of 8", make(product(kBf16Rows, "i6, 16, sym, k256"), decode, 0, 8)},
          {"quantize", make(quantize(), decode, 1e-7)},
          {"argmax", make(argmax(), decode, 1e-30)},
          {"sample", sampled},
          {"e4m3 of 8", make(product(kE4M3Rows, "e4m3"), decode, 0, 8)},
          {"e4m3 of any", make(product(kE4M3Rows, "e4m3"), {{0, 70}})}};
}

/// Faults that change nothing in these kernels, counted and told apart so that a new miss shows.
struct Redundant {
  const char* family;
  FaultKind kind;
  int count;
};
constexpr Redundant kRedundant[] = {
    {"norm", FaultKind::kMissingBarrier, 1},                 // before the block's first sum nobody reads
    {"attend", FaultKind::kShortWait, 1},                    // groups left after the last page are empty
    {"attend_partial", FaultKind::kShortWait, 1},            // the same
    {"attend to bytes", FaultKind::kShortWait, 1},           // groups left after the last page are empty
    {"attend_partial to bytes", FaultKind::kShortWait, 1},   // the same
    {"product of 8", FaultKind::kShortWait, 1},              // groups left after the last step are empty
    {"split product of 8", FaultKind::kShortWait, 1},        // the same
    {"split product of 8", FaultKind::kMissingBarrier, 1},   // here a thread stores the sums that it has added itself
    {"split product of 64", FaultKind::kShortWait, 1},       // the same
    {"split product of 64", FaultKind::kMissingBarrier, 1},  // as of 8
    {"product of any", FaultKind::kShortWait, 1},            // the same
    {"product of any", FaultKind::kMissingBarrier, 1},       // sums are parked where no step of this length lies
    {"wide groups of 8", FaultKind::kShortWait, 1},          // groups left after the last step are empty
    {"wide groups of any", FaultKind::kShortWait, 1},        // the same
    {"wide groups of any", FaultKind::kMissingBarrier, 1},   // sums are parked where no step of this length lies
    {"Q6_K of 8", FaultKind::kShortWait, 1},                 // groups left after the last step are empty
    {"quantize", FaultKind::kMissingBarrier, 1},             // before the block's first maximum nobody reads
    // Each helper of its block begins or ends with a barrier, so that any may follow any; between two of them one is
    // enough. Counted: without them no row differs and no thread reads what another writes at the same time.
    {"sample", FaultKind::kMissingBarrier, 12},
    {"argmax", FaultKind::kMissingBarrier, 1},       // before the block's first comparison nobody reads
    {"e4m3 of 8", FaultKind::kShortWait, 1},         // groups left after the last step are empty
    {"e4m3 of any", FaultKind::kShortWait, 1},       // the same
    {"e4m3 of any", FaultKind::kMissingBarrier, 1},  // sums are parked where no step of this length lies
};

struct Tally {
  std::mutex mutex;
  int planted = 0, found = 0;
  std::vector<std::string> missed;
  void add(const PlantedFault& fault, const KernelOutcome& outcome) {
    std::lock_guard lock(mutex);
    ++planted;
    const std::string code = outcome.status ? "" : outcome.status.code();
    if (code == "EMU_FAULT" || code == "EMU_VALUE")
      ++found;
    else
      missed.push_back(fault.name + (code.empty() ? "" : ": " + outcome.status.toString()));
  }
};

void runFaults(const std::vector<PlantedFault>& faults, Tally& tally) {
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i = next++; i < faults.size(); i = next++) tally.add(faults[i], runKernelCase(faults[i].test)[0]);
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::min(4u, std::thread::hardware_concurrency()); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  std::printf("%d of %d planted faults found\n", tally.found, tally.planted);
  for (const std::string& one : tally.missed) std::printf("  missed: %s\n", one.c_str());
}

/// Faults of the data alone, which any run shows; loops are unrolled, so that each is there many times.
bool changesValues(FaultKind kind) { return kind == FaultKind::kSwappedOperand || kind == FaultKind::kTransposed; }

/// All of what orders threads; of unrolled copies of an instruction a dozen, spread over the kernel.
std::vector<Mutant> someOf(std::vector<Mutant> all, FaultKind kind) {
  constexpr size_t kMost = 12;
  if (!changesValues(kind) || all.size() <= kMost) return all;
  std::vector<Mutant> some;
  for (size_t i = 0; i < kMost; ++i) some.push_back(std::move(all[i * (all.size() - 1) / (kMost - 1)]));
  return some;
}

class EveryFamily : public testing::TestWithParam<size_t> {};

TEST_P(EveryFamily, SynchronizationAndOperands) {
  if (std::string missing = missingNvrtc(); !missing.empty()) GTEST_SKIP() << missing;
  const Family family = families()[GetParam()];
  std::vector<PlantedFault> faults;
  std::string ptx;
  // All faults are in one kernel, which is sound as long as none of them is chosen.
  KernelCase sound = family.test;
  sound.editPtx = [&](const std::string& original) {
    std::vector<Mutant> all;
    for (FaultKind kind : kFaultKinds)
      for (Mutant& mutant : someOf(mutants(original, kind), kind)) {
        PlantedFault fault{std::string(nameOf(kind)) + " at PTX line " + std::to_string(mutant.line), family.test};
        fault.test.checkedFirst = !changesValues(kind);
        fault.test.editPtx = [&ptx](const std::string&) { return ptx; };
        all.push_back(std::move(mutant));
        fault.test.variant = (uint32_t)all.size();
        faults.push_back(std::move(fault));
      }
    return ptx = withVariants(original, all);
  };
  const rt::Status status = runKernelCase(sound)[0].status;
  ASSERT_TRUE(status.isOk()) << status.toString();
  Tally tally;
  runFaults(faults, tally);
  int redundant = 0;
  for (const Redundant& known : kRedundant) {
    if (std::string(known.family) != family.name) continue;
    const auto missed = std::count_if(tally.missed.begin(), tally.missed.end(),
                                      [&](const std::string& one) { return one.starts_with(nameOf(known.kind)); });
    EXPECT_LE(missed, known.count) << nameOf(known.kind);
    redundant += (int)missed;
  }
  std::printf("%d of the missed ones change nothing\n", redundant);
  EXPECT_EQ(tally.found + redundant, tally.planted);
}

std::string familyName(const testing::TestParamInfo<size_t>& info) {
  std::string name = families()[info.param].name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(PlantedFaultsTest, EveryFamily, testing::Range<size_t>(0, families().size()), familyName);

/// One change of a family's CUDA text.
struct TextFault {
  const char *family, *what, *from, *to;
  const char* arch = "sm_80";
};
constexpr TextFault kTextFaults[] = {
    {"norm", "an index past the end", "< 1000)", "< 1004)"},
    {"norm", "another row", "(row) * ", "(row + 1) * "},
    {"embed", "another token", "tokenIds[row]", "tokenIds[row + 1]"},
    {"embed", "a row of the step before as a token", "tokenOf(batch0, batch0->tokenIds[row])", "batch0->tokenIds[row]"},
    {"embed", "rows past the last one", "if (row >= ", "if (row > 1 + "},
    {"quantize", "another row", "(row) * ", "(row + 1) * "},
    {"quantize", "a scale too far", "storeE4m3End<1000>", "storeE4m3End<1016>"},
    {"e4m3 of 8", "scales of another row", ", row, ", ", row + 1, "},
    {"Q6_K of 8", "half of the columns", "kK = 512", "kK = 256"},
    {"Q6_K of 8", "upper bits of another type", "Layout = Q6KM16K128", "Layout = Q5KM16K128"},
    {"sample", "another row", "(row) * 4800", "(row ^ 1) * 4800"},
    {"sample", "half of the tiles", "kTiles = 2", "kTiles = 1"},
    {"sample", "an index past the end", "kVocabulary = 1200", "kVocabulary = 1216"},
    {"argmax", "an index past the end", "col < 3000", "col < 3004"},
    {"argmax", "another tile", "tile * 1024", "tile * 1023"},
    {"kv_write of bytes", "a wrong token's scale", " + token * 4)", " + (token ^ 1) * 4)"},
    {"kv_write of bytes", "a wrong page", "slots[row]", "slots[row] + 16"},
    {"product of 8", "the batch before the kernel before has ended",
     "  waitForPrevious();\n  const int rows = batch2->tokens;",
     "  const int rows = batch2->tokens;\n  waitForPrevious();", "sm_90a"},
    {"attend", "a wrong page", "x0, kv1, batch2", "x0, kv1 + Shape::pageBytes, batch2"},
    {"attend", "another layer", "x0, kv1, batch2", "x0, kv1 + Shape::pageBytes / 2, batch2"},
    {"attend", "an index past the end", "(row) * ", "(row + 1) * "},
    {"attend_partial", "a wrong page", "x0, kv1, batch2", "x0, kv1 + Shape::pageBytes, batch2"},
    {"attend_partial", "an index past the end", "splits = 2", "splits = 3"},
    {"attend_partial", "another head's part", "batch2, out0, ", "batch2, out0 + 136, "},
    {"attend to bytes", "a wrong page", "x0, kv1, batch2", "x0, kv1 + Shape::pageBytes, batch2"},
    {"attend to bytes", "an index past the end", "(row) * ", "(row + 1) * "},
    {"attend_partial to bytes", "a wrong page", "x0, kv1, batch2", "x0, kv1 + Shape::pageBytes, batch2"},
    {"attend_partial to bytes", "an index past the end", "splits = 2", "splits = 3"},
    {"kv_write of bytes", "an index past the end", "< 16)", "< 18)"},
    {"product of 8", "an index past the end", "firstPanel = static_cast", "firstPanel = 1 + static_cast"},
    {"product of 8", "another row", "(row) * ", "(row + 1) * "},
    {"product of any", "an index past the end", "firstPanel = static_cast", "firstPanel = 1 + static_cast"},
    {"product of any", "another row", "(row) * ", "(row + 1) * "},
    {"split product of 8", "an index past the end", "kK = 512", "kK = 640"},
    {"split product of 8", "half of the splits", "kSplits = 2", "kSplits = 1"},
    {"wide groups of 8", "an index past the end", "kK = 512", "kK = 640"},
    {"wide groups of any", "an index past the end", "firstPanel = static_cast", "firstPanel = 1 + static_cast"},
    {"Q6_K of 8", "an index past the end", "firstPanel = static_cast", "firstPanel = 1 + static_cast"},
    {"e4m3 of 8", "an index past the end", "firstPanel = static_cast", "firstPanel = 1 + static_cast"},
    {"e4m3 of any", "another row", "(row) * ", "(row + 1) * "},
    {"warpgroups", "an index past the end", "firstPanel = tiles", "firstPanel = 1 + tiles", "sm_90a"},
    {"cluster", "an index past the end", "firstPanel = tiles", "firstPanel = 1 + tiles", "sm_90a"},
    {"cluster", "another row", "(row) * ", "(row + 1) * ", "sm_90a"},
    {"split product of 64", "half of the splits", "kSplits = 2", "kSplits = 1"},
    {"warpgroups", "another row", "(row) * ", "(row + 1) * ", "sm_90a"},
    {"kv_write", "a wrong page", "slots[row]", "slots[row] + 16"},
    {"kv_write", "a wrong token of the page", "slot % kPageTokens", "(slot + 1) % kPageTokens"},
    {"kv_write", "an index past the end", "< 16; ", "<= 16; "},
};

TEST(PlantedFaultsTest, PlacesInMemory) {
  if (std::string missing = missingNvrtc(); !missing.empty()) GTEST_SKIP() << missing;
  std::vector<PlantedFault> faults;
  for (const TextFault& fault : kTextFaults)
    for (const Family& family : families())
      if (std::string(family.name) == fault.family) {
        faults.push_back({std::string(fault.family) + ": " + fault.what, family.test});
        faults.back().test.archs = {fault.arch};
        faults.back().test.checkedFirst = true;  // a wild store ends that run before it is done
        faults.back().test.edit = [fault](const std::string& text) {
          std::string changed = replaced(text, fault.from, fault.to);
          EXPECT_FALSE(changed.empty()) << fault.family << " has no '" << fault.from << "'\n" << text;
          return changed.empty() ? text : changed;
        };
      }
  Tally tally;
  runFaults(faults, tally);
  EXPECT_EQ(tally.found, tally.planted);
}

}  // namespace
}  // namespace llmc::emu
