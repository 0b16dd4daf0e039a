// What the emulator must report: races, bounds, values never written, deadlocks, divergence; and what it counts.
#include "tests/emulator/ptx_kernel.h"

namespace llmc::emu {
namespace {

constexpr const char* kShared = ".extern .shared .align 16 .b8 smem[];";
/// %r1: the base of shared memory, %r2: this thread's word of it, %x2: its word of %w0.
constexpr const char* kPlaces =
    "mov.u32 %r1, smem;\nshl.b32 %r3, %tid, 2;\nadd.s32 %r2, %r1, %r3;\nmul.wide.u32 %x1, %tid, 4;\n"
    "add.s64 %x2, %w0, %x1;\n";

struct CheckedRun {
  uint32_t threads = 64, sharedBytes = 4096;
  Dim3 grid = {1, 1, 1};
  bool checked = true, early = false;
  std::vector<uint32_t> memory = std::vector<uint32_t>(256);
  Counters counters;

  std::string operator()(const std::string& code) {
    MemoryMap map;
    map.add(memory.data(), memory.size() * 4, "memory");
    LaunchChecks checks;
    checks.checked = checked;
    checks.early = early;
    checks.memory = &map;
    checks.counters = &counters;
    rt::Status status = runPtx(ptxModule(kPlaces + code, 4, kShared), {(uint64_t)memory.data(), 0, 0, 0}, grid,
                               {threads, 1, 1}, sharedBytes, checks);
    return status ? "" : status.toString();
  }
};

#define EXPECT_FOUND(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(ChecksTest, AReadWithoutABarrier) {
  const std::string
      exchange = "st.shared.u32 [%r2], %tid;\n",
      read = "xor.b32 %r4, %r3, 128; add.s32 %r5, %r1, %r4; ld.shared.u32 %r6, [%r5]; st.global.u32 [%x2], %r6;\n";
  EXPECT_FOUND(CheckedRun()(exchange + read), "nobody has written");
  EXPECT_FOUND(CheckedRun()(exchange + "bar.warp.sync -1;\n" + read), "nobody has written");
  EXPECT_EQ(CheckedRun()(exchange + "bar.sync 0;\n" + read), "");
  // Written before: then it is the order that is missing.
  EXPECT_FOUND(CheckedRun()(exchange + "bar.sync 0;\n" + exchange + read), "race: ");
}

TEST(ChecksTest, AWriteOverWhatOthersRead) {
  EXPECT_FOUND(CheckedRun()("st.shared.u32 [%r2], %tid; bar.sync 0;\nxor.b32 %r4, %r3, 128; add.s32 %r5, %r1, %r4;\n"
                            "ld.shared.u32 %r6, [%r5]; st.shared.u32 [%r2], %r6;\n"),
               "race: ");
}

TEST(ChecksTest, ShufflesDoNotOrderMemory) {
  CheckedRun run;
  run.threads = 32;
  EXPECT_FOUND(
      run("st.shared.u32 [%r2], %tid; shfl.sync.bfly.b32 %r7, %tid, 1, 31, -1;\n"
          "xor.b32 %r4, %r3, 64; add.s32 %r5, %r1, %r4; ld.shared.u32 %r6, [%r5]; st.global.u32 [%x2], %r6;\n"),
      "race: read");
}

TEST(ChecksTest, WhatTheKernelBeforeMayStillWrite) {
  CheckedRun run;
  run.early = true;
  const std::string read = "ld.global.u32 %r4, [%x2];\n", wait = "griddepcontrol.wait;\n";
  EXPECT_FOUND(run(read + wait), "before griddepcontrol.wait");
  EXPECT_EQ(run(wait + read), "");
}

/// The barrier of a bulk copy must have been shown to the copy engine.
TEST(ChecksTest, ABarrierWithoutAProxyFence) {
  auto copy = [](const std::string& fence) {
    return "setp.ne.u32 %p1, %tid, 0;\n@%p1 bra READY;\nmbarrier.init.shared::cta.b64 [%r1], 1;\n" + fence +
           "READY: bar.sync 0;\n@%p1 bra WAIT;\nmbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 32;\n"
           "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1+16], [%w0], 32, [%r1];\n"
           "WAIT: mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r1], 0;\n@!%p2 bra WAIT;\n";
  };
  EXPECT_FOUND(CheckedRun()(copy("")), "no proxy fence");
  EXPECT_EQ(CheckedRun()(copy("fence.proxy.async.shared::cta;\n")), "");
}

TEST(ChecksTest, OutsideEveryBuffer) {
  CheckedRun run;
  run.memory.resize(63);
  EXPECT_FOUND(run("st.global.u32 [%x2], %tid;\n"), "byte 252 of buffer 'memory' (252 bytes)");
}

TEST(ChecksTest, OutsideSharedMemoryAlsoUnchecked) {
  CheckedRun run;
  run.checked = false;
  run.sharedBytes = 128;
  EXPECT_FOUND(run("st.shared.u32 [%r2], %tid;\n"), "outside the launch's shared memory");
}

TEST(ChecksTest, MisalignedAddresses) {
  CheckedRun run;
  run.checked = false;
  EXPECT_FOUND(run("st.global.v2.u32 [%x2], {%r1, %r2};\n"), "misaligned address");
}

TEST(ChecksTest, DeadlocksAreNamed) {
  CheckedRun run;
  run.checked = false;
  EXPECT_FOUND(run("setp.lt.u32 %p1, %tid, 32; @%p1 bar.sync 1, 64;\n"), "thread 0 waits at barrier 1");
  EXPECT_FOUND(run("setp.eq.u32 %p1, %tid, 5; LOOP: @%p1 bra LAST; shfl.sync.idx.b32 %r4, %r3, 0, 31, -1; bra OUT;\n"
                   "LAST: bar.sync 2, 32; OUT:\n"),
               "deadlock");
}

TEST(ChecksTest, ALoopWithoutEndIsNamed) {
  CheckedRun run;
  EXPECT_FOUND(run("again:\nbra again;\n"), "runs forever");
  run.checked = false;
  EXPECT_FOUND(run("again:\nbar.sync 0;\nbra again;\n"), "runs forever");
  EXPECT_EQ(run("mov.u32 %r4, 0;\nagain:\nadd.s32 %r4, %r4, 1;\nsetp.lt.s32 %p1, %r4, 100000;\n@%p1 bra again;\n"), "");
}

TEST(ChecksTest, DivergentBarriers) {
  EXPECT_FOUND(CheckedRun()("and.b32 %r4, %tid, 1; setp.eq.u32 %p1, %r4, 0; @%p1 bra EVEN; bar.sync 0; bra END;\n"
                            "EVEN: bar.sync 0; END:\n"),
               "divergent barrier");
}

TEST(ChecksTest, BlocksThatWriteToOnePlace) {
  CheckedRun run;
  run.grid = {2, 1, 1};
  EXPECT_FOUND(run("st.global.u32 [%x2], %tid;\n"), "of another block");
  EXPECT_EQ(
      run("mov.u32 %r4, %ctaid.x; mul.wide.u32 %x3, %r4, 256; add.s64 %x4, %x3, %x2; st.global.u32 [%x4], %tid;\n"),
      "");
}

/// The last of several blocks reads what the others wrote: they tell it by a counter, with a fence on either side of
/// the atomic; the module's own memory is checked, too.
TEST(ChecksTest, BlocksThatTellEachOtherByAtomics) {
  const std::string globals =
      std::string(kShared) + "\n.global .align 4 .u32 arrived[1];\n.global .align 4 .u32 kept[64];";
  auto found = [&](const std::string& barrier, const std::string& before, const std::string& after,
                   const std::string& last = "bar.sync 0;\n") {
    const std::string code =
        std::string(kPlaces) +
        "mov.u64 %x5, kept;\nmov.u32 %r4, %ctaid.x;\nshl.b32 %r5, %r4, 5;\n"
        "add.s32 %r6, %r5, %tid;\nmul.wide.u32 %x6, %r6, 4;\nadd.s64 %x7, %x5, %x6;\n"
        "st.global.u32 [%x7], %tid;\n" +
        barrier + "setp.ne.u32 %p1, %tid, 0;\n@%p1 bra MEET;\n" + before +
        "mov.u64 %x8, arrived;\natom.global.inc.u32 %r7, [%x8], 1;\n" + after + "st.shared.u32 [%r1], %r7;\nMEET:\n" +
        last +
        "ld.shared.u32 %r8, [%r1];\nsetp.ne.u32 %p2, %r8, 1;\n@%p2 bra END;\n"
        "mul.wide.u32 %x9, %tid, 4;\nadd.s64 %x10, %x5, %x9;\nld.global.u32 %r9, [%x10];\n"
        "ld.global.u32 %r10, [%x10+128];\nadd.s32 %r11, %r9, %r10;\nst.global.u32 [%x2], %r11;\nEND:\n";
    std::vector<uint32_t> memory(64);
    MemoryMap map;
    map.add(memory.data(), memory.size() * 4, "memory");
    LaunchChecks checks;
    checks.checked = true;
    checks.memory = &map;
    rt::Status status =
        runPtx(ptxModule(code, 4, globals), {(uint64_t)memory.data(), 0, 0, 0}, {2, 1, 1}, {32, 1, 1}, 256, checks);
    if (status) EXPECT_EQ(memory[31], 62u);
    return status ? std::string() : status.toString();
  };
  const std::string barrier = "bar.sync 0;\n", fence = "fence.acq_rel.gpu;\n";
  EXPECT_EQ(found(barrier, fence, fence), "");
  EXPECT_EQ(found(barrier, "membar.gl;\n", "fence.sc.sys;\n"), "");
  EXPECT_FOUND(found(barrier, "", fence), "of another block: ");
  EXPECT_FOUND(found(barrier, fence, ""), "of another block: ");
  EXPECT_FOUND(found(barrier, "fence.acq_rel.cta;\n", fence), "of another block: ");
  EXPECT_FOUND(found("", fence, fence), "of another block: ");
  EXPECT_FOUND(found(barrier, fence, fence, ""), "race: read of shared");
}

TEST(ChecksTest, OutsideAVariableOfTheModule) {
  MemoryMap map;
  LaunchChecks checks;
  checks.checked = true;
  checks.memory = &map;
  const std::string globals = ".global .align 4 .u32 kept[32];";
  auto run = [&](const std::string& offset) {
    rt::Status status = runPtx(ptxModule("mov.u64 %x1, kept;\nst.global.u32 [%x1+" + offset + "], %tid;\n", 1, globals),
                               {0}, {1, 1, 1}, {1, 1, 1}, 0, checks);
    return status ? std::string() : status.toString();
  };
  EXPECT_EQ(run("124"), "");
  EXPECT_FOUND(run("128"), "outside every buffer");
}

TEST(ChecksTest, AWildStoreDoesNotHappen) {
  std::vector<uint32_t> memory(256);
  MemoryMap map;
  map.add(memory.data(), 512, "memory");
  LaunchChecks checks;
  checks.checked = true;
  checks.memory = &map;
  const std::string code = kPlaces + std::string("st.global.u32 [%x2+512], 7;\nst.global.u32 [%x2], 7;\n");
  const rt::Status status =
      runPtx(ptxModule(code, 4, kShared), {(uint64_t)memory.data(), 0, 0, 0}, {1, 1, 1}, {1, 1, 1}, 4096, checks);
  EXPECT_FOUND(status ? std::string() : status.toString(), "write of 4 bytes outside every buffer");
  EXPECT_EQ(memory[128], 0u);
  EXPECT_EQ(memory[0], 0u);
}

TEST(ChecksTest, CountsOfALaunch) {
  CheckedRun run;
  run.threads = 32;
  // Words 32 apart lie in one bank: 32 passes; neighbours take one.
  EXPECT_EQ(run("st.shared.u32 [%r2], %tid; bar.sync 0; shl.b32 %r4, %tid, 7; add.s32 %r5, %r1, %r4;\n"
                "st.shared.u32 [%r5], %tid; st.global.u32 [%x2], %tid;\n"),
            "");
  EXPECT_EQ(run.counters.sharedRequests, 2u);
  EXPECT_EQ(run.counters.sharedWavefronts, 33u);
  EXPECT_EQ(run.counters.globalWriteBytes, 128u);
  EXPECT_EQ(run.counters.barriers, 1u);
  EXPECT_EQ(run.counters.blocks, 1u);
  EXPECT_EQ(run.counters.instructions, 32u * 17) << "one to find the thread, four words, five places, six above, ret";
}

TEST(ChecksTest, AWildAccessIsOneBlocksFault) {
  CheckedRun run;
  run.checked = false;
  EXPECT_FOUND(run("mov.u64 %x3, 64; st.global.u32 [%x3], %tid;\n"), "illegal address 0x40");
  EXPECT_EQ(run("st.global.u32 [%x2], %tid;\n"), "") << "the next launch runs";
}

/// Two products of zeros by one warpgroup, their sums in %f1 to %f4 and in `second`, each a group; `before` the wait
/// for the first, `between` the waits, `after` both.
std::string runProducts(const std::string& before, const std::string& between, const std::string& after,
                        const std::string& second = "{%f5, %f6, %f7, %f8}") {
  std::string code =
      "mov.u32 %r1, smem;\nshl.b32 %r3, %tid, 6;\nadd.s32 %r2, %r1, %r3;\nmov.u32 %r4, 0;\n"
      "mul.wide.u32 %x1, %tid, 4;\nadd.s64 %x2, %w0, %x1;\nshr.b32 %r5, %r1, 4;\ncvt.u64.u32 %x3, %r5;\n"
      "mov.u64 %x4, 0x4000004000010000;\nor.b64 %x3, %x3, %x4;\nsetp.ne.u32 %p1, %r4, 0;\n";
  for (int i = 0; i < 64; i += 16) code += "st.shared.v4.u32 [%r2+" + std::to_string(i) + "], {%r4, %r4, %r4, %r4};\n";
  code += "fence.proxy.async.shared::cta;\nbar.sync 0;\nwgmma.fence.sync.aligned;\n";
  for (const std::string& sums : {std::string("{%f1, %f2, %f3, %f4}"), second})
    code += "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 " + sums +
            ", %x3, %x3, 1, 1, 1, 0, 0;\nwgmma.commit_group.sync.aligned;\n";
  code += before + "\nwgmma.wait_group.sync.aligned 1;\n" + between + "\nwgmma.wait_group.sync.aligned 0;\n" + after +
          "\nst.global.f32 [%x2], %f1;\n";
  std::vector<uint32_t> memory(128);
  MemoryMap map;
  map.add(memory.data(), memory.size() * 4, "memory");
  LaunchChecks checks;
  checks.checked = true;
  checks.memory = &map;
  const rt::Status status = runPtx(ptxModule(code, 4, ".extern .shared .align 1024 .b8 smem[];"),
                                   {(uint64_t)memory.data(), 0, 0, 0}, {1, 1, 1}, {128, 1, 1}, 8192, checks);
  return status ? "" : status.toString();
}

TEST(ChecksTest, SumsOfWgmmaBeforeTheirWait) {
  const char* const kFound = "sums of the wgmma at PTX line";
  EXPECT_FOUND(runProducts("add.f32 %f9, %f1, %f9;", "", ""), kFound);
  EXPECT_FOUND(runProducts("mov.f32 %f4, 0f00000000;", "", ""), kFound);
  EXPECT_FOUND(runProducts("st.global.f32 [%x2], %f3;", "", ""), kFound);
  EXPECT_FOUND(runProducts("mov.b32 %r9, %f8;", "", ""), kFound);
  EXPECT_FOUND(runProducts("", "mov.f32 %f9, %f5;", ""), kFound);
  EXPECT_FOUND(runProducts("", "mov.f32 %f9, %f1;", "", "{%f1, %f2, %f3, %f4}"), kFound);
}

TEST(ChecksTest, SumsOfWgmmaThatAreThere) {
  EXPECT_EQ(runProducts("", "", "add.f32 %f9, %f1, %f8;"), "");
  EXPECT_EQ(runProducts("", "add.f32 %f9, %f1, %f9;", ""), "") << "only the second product may be under way";
  EXPECT_EQ(runProducts("@%p1 add.f32 %f9, %f1, %f9;", "", ""), "") << "no thread does that";
  EXPECT_EQ(runProducts("add.f32 %f9, %f10, %f9;", "", ""), "") << "another register";
  EXPECT_EQ(runProducts("", "", "add.f32 %f9, %f1, %f9;", "{%f1, %f2, %f3, %f4}"), "") << "one product after the other";
}

}  // namespace
}  // namespace llmc::emu
