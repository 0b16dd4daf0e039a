// CUDA attention: NVRTC's own PTX on the emulator against the reference interpreter, code for every architecture
// without spills, and what a kernel reads.
#include "tests/emulator/kernel_case.h"
#include "tests/unit/codegen/cuda/attention/attend_case.h"
#include "tests/unit/codegen/cuda/attention/attend_step.h"
#include "tests/unit/codegen/cuda/module_text.h"
#include "tests/unit/codegen/cuda/nvrtc_fixture.h"

#include <gtest/gtest.h>
#include <cstdio>
#include <thread>

namespace llmc {
namespace {

using Sequences = std::vector<std::pair<int, int>>;

class AttendTest : public NvrtcFixture {
protected:
  /// The kernel for an architecture and its code on the emulator; null after a failed assertion.
  struct Built {
    KernelText text;
    std::string ptx;
    std::shared_ptr<emu::PtxProgram> program;
  };
  std::optional<Built> build(const AttendCase &test, const std::string &arch) {
    ModuleText module(test.text());
    mlir::FailureOr<KernelText> text = module.module() ? emitCudaAttend({module.first(), "attend", *findArch(arch)})
                                                       : mlir::FailureOr<KernelText>(mlir::failure());
    if (mlir::failed(text)) {
      ADD_FAILURE() << module.diagnostics() << test.text();
      return std::nullopt;
    }
    auto compiled = compiler().compile(*text, *findArch(arch));
    if (!compiled) {
      ADD_FAILURE() << compiled.status().toString() << text->text;
      return std::nullopt;
    }
    auto program = emu::PtxProgram::load(compiled->ptx);
    if (!program) {
      ADD_FAILURE() << program.status().toString();
      return std::nullopt;
    }
    return Built{*text, compiled->ptx, *program};
  }

  /// In three orders of threads, the last with all checks: right, and the same bytes each time.
  void expectRight(const AttendCase &test, const Sequences &sequences, const std::string &arch = "sm_90a") {
    SCOPED_TRACE(test.name + " for " + arch);
    std::optional<Built> built = build(test, arch);
    if (!built)
      return;
    AttendStep step(test, sequences);
    std::vector<std::byte> first;
    for (emu::ThreadOrder order :
         {emu::ThreadOrder::kAscending, emu::ThreadOrder::kRandom, emu::ThreadOrder::kDescending}) {
      emu::LaunchChecks checks;
      checks.order = order;
      checks.checked = order == emu::ThreadOrder::kDescending;
      emu::Counters counters;
      checks.counters = &counters;
      rt::Status status = step.run(built->text, *built->program, checks, /*spareSequences=*/2);
      ASSERT_TRUE(status.isOk()) << status.toString();
      if (first.empty())
        step.expectReference();
      else
        EXPECT_TRUE(step.result() == first) << "the result depends on the order of threads";
      first = step.result();
      // Conflicts there are only where warps' rows are merged, when a row's columns are no multiple of 32.
      EXPECT_LE(counters.sharedWavefronts * 20, counters.sharedRequests * 21) << "bank conflicts";
    }
  }
};

/// Around pages, units of 64 and warps' turns; one sequence over 1024; one that brings two tokens.
const Sequences kDecode = {{1, 0}, {1, 14}, {1, 15}, {1, 16}, {1, 62}, {1, 63}, {1, 64}, {1, 299}, {1, 1024}};

TEST_F(AttendTest, PartsOfOneToken) {
  expectRight({"smol", 9, 3, 64, 8}, kDecode);
  expectRight({"gqa7", 7, 1, 64, 4}, kDecode);
  expectRight({"mha80", 2, 2, 80, 4}, kDecode);
  expectRight({"gqa2_96", 4, 2, 96, 16}, {{1, 299}, {2, 130}, {1, 5}}, "sm_80");
  expectRight({"mqa16_128", 16, 1, 128, 4}, kDecode, "sm_100a");
  expectRight({"gqa4_256", 8, 2, 256, 4}, kDecode);
  expectRight({"tiny16", 4, 2, 16, 16}, kDecode);
}

TEST_F(AttendTest, PartsWithWindowAndSoftcap) {
  expectRight({"window24", 4, 2, 64, 8, 24}, kDecode);
  expectRight({"window200", 4, 1, 128, 4, 200}, kDecode);
  expectRight({"softcap", 4, 4, 80, 2, 0, 5}, kDecode);
}

TEST_F(AttendTest, GroupsOfMoreThan16) {
  expectRight({"mqa24", 24, 1, 64, 2}, {{1, 99}, {1, 300}});
  expectRight({"mqa71", 71, 1, 64, 0}, {{9, 40}, {1, 33}});
}

/// Chunks that start anywhere, decoded tokens between them, tiles with one row of a warp and with all.
const Sequences kMixed = {{65, 0}, {1, 40}, {7, 100}, {1, 0}, {2, 61}, {130, 20}, {3, 62}};

TEST_F(AttendTest, RaggedBlocks) {
  expectRight({"smol", 9, 3, 64, 0}, kMixed);
  expectRight({"gqa7_96", 7, 1, 96, 0}, kMixed, "sm_120a");
  expectRight({"mha80", 2, 2, 80, 0}, kMixed);
  expectRight({"gqa4_128", 8, 2, 128, 0}, kMixed);
  expectRight({"gqa16_128_small", 16, 1, 128, 0}, {{20, 50}, {1, 99}}, "sm_86");
  expectRight({"gqa2_256", 2, 1, 256, 0}, kMixed, "sm_100a");
  expectRight({"tiny16", 4, 2, 16, 0}, kMixed);
}

TEST_F(AttendTest, RaggedBlocksWithWindowAndSoftcap) {
  expectRight({"window24", 3, 3, 80, 0, 24}, kMixed, "sm_80");
  expectRight({"window100_softcap", 4, 1, 128, 0, 100, 20}, kMixed);
}

/// Learned logits of keys without values: in both ways through the kernel, with all that scores may have besides.
TEST_F(AttendTest, Sinks) {
  for (auto [kind, more] : {std::pair<const char *, const char *>{"f16", ""},
                            {"f16", ", window = 24, softcap = 5.0"},
                            {"i8", ", window = 100"}}) {
    emu::KernelCase test;
    test.text = "!q = tensor<?x384xf32, #llm.dims<[T, 384]>>\n!s = !llm.weight<[6], #llm.q<f32>>\n"
                "!kv = !llm.kv<layers = 2, heads = 2, dim = 64, page = 16, kind = " +
                std::string(kind) +
                ">\nkern.func @k(%q: !q, %kv: !kv, %b: !llm.batch, %s: !s) -> !q attributes {hero = \"attend\"} {\n"
                "  %0 = llm.attend %q, %kv, %b, %s {layer = 0, heads = 6, scale = 0.125" +
                more + "} : (!q, !kv, !llm.batch, !s) -> !q\n  kern.yield %0 : !q\n}\n";
    test.sequences = {{0, 65}, {40, 1}, {100, 7}, {0, 1}, {130, 20}};
    test.archs = {*more ? "sm_80" : "sm_90a"};
    test.allOrders = !*more;
    test.tolerance = 5e-3;
    test.edit = [](std::string text) {
      EXPECT_NE(text.find("sinks = true"), std::string::npos) << text;
      return text;
    };
    emu::checkKernelCase(test);
  }
}

/// More sequences than a warp looks at in one go.
TEST_F(AttendTest, ManySequences) {
  Sequences sequences;
  for (int i = 0; i < 70; ++i)
    sequences.push_back({1 + i % 3 * 20, i % 7 * 9});
  expectRight({"many", 2, 1, 64, 0}, sequences);
}

TEST_F(AttendTest, EveryArchitectureWithoutSpills) {
  std::vector<AttendCase> cases;
  for (int64_t dim : {128, 256})
    for (int64_t splits : {0, 8})
      for (const char *kind : {"f16", "bf16", "i8", "e4m3"})
        cases.push_back({"dim" + std::to_string(dim), 32, 4, dim, splits, 100, 30, kind});
  std::vector<std::thread> threads;
  for (const Arch &arch : cudaArchs())
    threads.emplace_back([&] {
      for (const AttendCase &test : cases) {
        ModuleText module(test.text());
        auto text = emitCudaAttend({module.first(), "attend", arch});
        ASSERT_TRUE(mlir::succeeded(text)) << module.diagnostics();
        auto compiled = compiler().compile(*text, arch); // CU_SPILL, CU_SHARED and CU_PARAMS are errors
        EXPECT_TRUE(compiled.isOk()) << compiled.status().toString();
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

/// Of a split without keys sums mean nothing, and its kernel need not write them.
void ignoreEmptySplits(int64_t dim, emu::KernelCase &test) {
  test.adjust = [dim](size_t, reference::Tensor &want, reference::Tensor &got) {
    for (int64_t row = 0; row < want.rows; ++row)
      for (int64_t split = 0; split < want.cols; split += dim + 2)
        for (int64_t i = 0; i < dim && want.at(row, split + dim + 1) == 0; ++i)
          got.at(row, split + i) = want.at(row, split + i);
  };
}

/// Caches of other kinds become f16 in shared memory: odd and wide heads, page edges, one token, tiles, windows.
TEST(AttendKindsTest, AgreeWithTheReference) {
  struct Case {
    AttendCase attend;
    std::vector<emu::SequenceSpec> sequences;
    const char *arch;
  };
  for (const char *kind : {"bf16", "i8", "e4m3"})
    for (const Case &one :
         {Case{{"decode", 9, 3, 64, 8, 0, 0, kind}, {{0, 1}, {14, 1}, {15, 1}, {16, 1}, {63, 1}, {299, 1}}, "sm_90a"},
          Case{{"odd", 2, 2, 80, 4, 24, 0, kind}, {{0, 1}, {130, 1}}, "sm_80"},
          Case{{"wide", 4, 1, 256, 4, 0, 5, kind}, {{70, 1}, {15, 1}}, "sm_120a"},
          Case{{"tiles", 9, 3, 64, 0, 0, 0, kind}, {{0, 65}, {40, 1}, {100, 7}, {20, 50}}, "sm_90a"},
          Case{{"tiles96", 4, 1, 96, 0, 24, 0, kind}, {{3, 40}, {61, 2}, {15, 1}}, "sm_80"},
          Case{{"tiles128", 4, 1, 128, 0, 0, 0, kind}, {{33, 40}, {0, 17}}, "sm_90a"}}) {
      SCOPED_TRACE(one.attend.name + " " + kind);
      emu::KernelCase test;
      test.text = one.attend.text();
      test.sequences = one.sequences;
      test.archs = {one.arch};
      test.allOrders = false;
      test.tolerance = one.attend.splits ? 5e-3 : 1e-2;
      if (one.attend.splits)
        ignoreEmptySplits(one.attend.dim, test);
      emu::checkKernelCase(test);
    }
}

/// A decoded token's keys and values: each byte once a KV head, 16 bytes at once, whatever the number of query heads.
TEST_F(AttendTest, ReadsTheCacheOnce) {
  for (int64_t group : {1, 8}) {
    const AttendCase test{"once", 2 * group, 2, 128, 4};
    std::optional<Built> built = build(test, "sm_90a");
    ASSERT_TRUE(built);
    const Sequences sequences = {{1, 1023}, {1, 255}};
    AttendStep step(test, sequences);
    emu::Counters counters;
    emu::LaunchChecks checks;
    checks.checked = true;
    checks.counters = &counters;
    rt::Status status = step.run(built->text, *built->program, checks);
    ASSERT_TRUE(status.isOk()) << status.toString();
    EXPECT_EQ(counters.copiedBytes, (1024 + 256) * 2 * 2 * 128 * 2) << "tokens x KV heads x (K, V) x columns x f16";
    // What is not copied: 16 rows of queries a warp of the 2 x 2 x 4 blocks, and some words of the batch a thread.
    const int64_t warps = 16 * built->text.threads / 32;
    EXPECT_LT(counters.globalReadBytes - counters.copiedBytes, warps * 16 * 128 * 4 + warps * 32 * 64);
    for (size_t at = built->ptx.find("cp.async.c"); at != std::string::npos; at = built->ptx.find("cp.async.c", at + 1))
      if (built->ptx.compare(at, 12, "cp.async.com") != 0) {
        std::string line = built->ptx.substr(at, built->ptx.find('\n', at) - at);
        EXPECT_TRUE(line.starts_with("cp.async.cg.shared.global [") && line.find("], 16, ") != std::string::npos)
            << line;
      }
  }
}

/// Each byte of other kinds once, too: of codes, columns and 4 bytes of a scale a token and head.
TEST(AttendKindsTest, ReadTheCacheOnce) {
  if (std::string missing = emu::missingNvrtc(); !missing.empty())
    GTEST_SKIP() << missing;
  for (const char *kind : {"f16", "bf16", "i8", "e4m3"}) {
    const AttendCase attend{"once", 16, 2, 128, 4, 0, 0, kind};
    emu::KernelCase test;
    test.text = attend.text();
    test.sequences = {{1023, 1}, {255, 1}};
    test.archs = {"sm_90a"};
    test.allOrders = false;
    test.tolerance = 5e-3;
    const emu::KernelOutcome outcome = emu::runKernelCase(test)[0];
    ASSERT_TRUE(outcome.status.isOk()) << outcome.status.toString();
    const int64_t tokenBytes = kind[0] == 'i' || kind[0] == 'e' ? 128 + 4 : 128 * 2;
    EXPECT_EQ(outcome.counters.copiedBytes, (1024 + 256) * 2 * 2 * tokenBytes) << "tokens x KV heads x (K, V)";
    EXPECT_LE(outcome.counters.sharedWavefronts * 20, outcome.counters.sharedRequests * 21) << "bank conflicts";
    std::printf("cache of %s: %.1f instructions a key and KV head, largest error %.1e\n", kind,
                double(outcome.counters.instructions) / (1280 * 2), outcome.worst);
  }
}

TEST(AttendTextTest, RefusesWhatItCannotDo) {
  auto diagnosticOf = [](std::string text) {
    ModuleText module(text);
    if (!module.module())
      return "does not parse: " + module.diagnostics();
    EXPECT_TRUE(mlir::failed(emitCudaAttend({module.first(), "attend", *findArch("sm_90a")})));
    return module.diagnostics();
  };
  AttendCase test{"case", 4, 2, 64};
  std::string text = test.text(), dim = text, page = text;
  EXPECT_NE(diagnosticOf(AttendCase{"dim", 2, 2, 40}.text()).find("multiple of 16 and at most 256, found 40"),
            std::string::npos);
  page.replace(page.find("page = 16"), 9, "page = 32");
  EXPECT_NE(diagnosticOf(page).find("pages of 16 tokens, found 32"), std::string::npos);
}

} // namespace
} // namespace llmc
