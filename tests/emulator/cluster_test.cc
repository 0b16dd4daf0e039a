// Clusters: ranks, arrivals at barriers of other blocks, copies to several blocks, the cluster's barrier; and what a
// kernel can do wrong with them.
#include "tests/emulator/ptx_kernel.h"

namespace llmc::emu {
namespace {

#define EXPECT_FOUND(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

/// A kernel `k` of clusters: %r1 is the base of shared memory, %r2 the block's rank, %r3 the other block of two, %x1
/// this thread's word of %w0 over all blocks, %p1 of all threads but the first of a block.
std::string clusterModule(const std::string& body,
                          const std::string& directive = ".explicitcluster .reqnctapercluster 2, 1, 1") {
  std::string text = ptxModule(
      "mov.u32 %r1, smem;\nmov.u32 %r2, %cluster_ctarank;\nxor.b32 %r3, %r2, 1;\nmov.u32 %r4, %ctaid.x;\n"
      "mov.u32 %r5, %ntid.x;\nmad.lo.s32 %r6, %r4, %r5, %tid;\nmul.wide.u32 %x2, %r6, 4;\nadd.s64 %x1, %w0, %x2;\n"
      "setp.ne.u32 %p1, %tid, 0;\n" +
          body,
      2, ".extern .shared .align 16 .b8 smem[];");
  return text.insert(text.find(")\n{") + 1, "\n" + directive);
}

struct ClusterRun {
  uint32_t blocks = 4;
  ThreadOrder order = ThreadOrder::kAscending;
  bool checked = true;
  std::vector<uint32_t> memory = std::vector<uint32_t>(4 * 128), source = std::vector<uint32_t>(256);
  Counters counters;

  std::string operator()(const std::string& body) {
    for (size_t i = 0; i < source.size(); ++i) source[i] = (uint32_t)(1000 + i);
    MemoryMap map;
    map.add(memory.data(), memory.size() * 4, "memory");
    map.add(source.data(), source.size() * 4, "source", false);
    LaunchChecks checks;
    checks.checked = checked;
    checks.order = order;
    checks.memory = &map;
    checks.counters = &counters;
    const rt::Status status = runPtx(clusterModule(body), {(uint64_t)memory.data(), (uint64_t)source.data()},
                                     {blocks, 1, 1}, {128, 1, 1}, 4096, checks);
    return status ? "" : status.toString();
  }
};

/// What every kernel with barriers begins with: the first thread's barrier at %r1 for `arrivals`.
std::string init(int arrivals,
                 const std::string& meet = "barrier.cluster.arrive.release; barrier.cluster.wait.acquire;\n") {
  return "@%p1 bra READY;\nmbarrier.init.shared::cta.b64 [%r1], " + std::to_string(arrivals) +
         ";\nfence.proxy.async.shared::cta;\nREADY:\n" + meet;
}
const std::string kMeet = "barrier.cluster.arrive.release; barrier.cluster.wait.acquire;\n";
const std::string kWait =
    "WAIT: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p2, [%r1], 0;\n@!%p2 bra WAIT;\n";

TEST(ClusterTest, BlocksKnowTheirPlace) {
  ClusterRun run;
  EXPECT_EQ(run("mov.u32 %r7, %cluster_nctarank;\nmov.u32 %r8, %clusterid.x;\nmov.u32 %r9, %nclusterid.x;\n"
                "shl.b32 %r8, %r8, 4;\nshl.b32 %r7, %r7, 8;\nshl.b32 %r9, %r9, 12;\nadd.s32 %r10, %r2, %r7;\n"
                "add.s32 %r10, %r10, %r8;\nadd.s32 %r10, %r10, %r9;\nst.global.u32 [%x1], %r10;\n"),
            "");
  for (uint32_t block = 0; block < 4; ++block)
    EXPECT_EQ(run.memory[block * 128 + 127], 0x2200u + block / 2 * 16 + block % 2);
  EXPECT_EQ(run.counters.blocks, 4u);
  run.blocks = 3;
  EXPECT_FOUND(run(""), "grid (3,1,1) is not whole clusters of 2");
}

TEST(ClusterTest, OnlyNeighboursInXAreEmulated) {
  for (const char* directive : {".reqnctapercluster 1, 2, 1", ".reqnctapercluster 16, 1, 1"}) {
    auto program = PtxProgram::load(clusterModule("", directive));
    ASSERT_FALSE(program.isOk());
    EXPECT_FOUND(program.status().message(), "clusters of up to 8 neighbours in x");
  }
}

/// All threads of both blocks arrive at the first thread's barrier of the other one.
TEST(ClusterTest, ArrivalsReachTheOtherBlock) {
  const std::string arrive =
      "mapa.shared::cluster.u32 %r7, %r1, %r3;\nmbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r7];\n";
  const std::string last = "st.global.u32 [%x1], %r2;\n";
  for (ThreadOrder order : {ThreadOrder::kAscending, ThreadOrder::kDescending, ThreadOrder::kRandom}) {
    ClusterRun run;
    run.order = order;
    EXPECT_EQ(run(init(128) + arrive + kWait + kMeet + last), "");
    EXPECT_EQ(run.memory[3 * 128], 1u);
  }
  ClusterRun run;
  EXPECT_FOUND(run(init(128, "bar.sync 0;\n") + arrive + kWait + kMeet + last), "race: ");
  EXPECT_FOUND(run(init(129) + arrive + kWait + kMeet + last), "deadlock: 256 threads never finish");
  EXPECT_FOUND(run(init(128) + "mbarrier.arrive.release.cluster.shared::cta.b64 _, [%r7];\n" + kWait), "outside");
  EXPECT_FOUND(run("mapa.shared::cluster.u32 %r7, %r1, 2;\n"), "block 2 of a cluster of 2");
  // The second block waits for nobody, and is gone when the first one's threads arrive.
  run.order = ThreadOrder::kDescending;
  EXPECT_FOUND(run(init(128) + "setp.eq.u32 %p3, %r2, 1;\n@%p3 ret;\nbar.sync 0;\n" + arrive), "has ended");
}

TEST(ClusterTest, ArrivalsOrderMemory) {
  const std::string write = "shl.b32 %r8, %tid, 2;\nadd.s32 %r8, %r8, %r1;\nst.shared.u32 [%r8+64], %tid;\n";
  ClusterRun run;
  EXPECT_EQ(run(write + kMeet + "xor.b32 %r9, %r8, 4;\nld.shared.u32 %r10, [%r9+64];\n"), "");
  EXPECT_FOUND(run(write + "barrier.cluster.arrive.relaxed; barrier.cluster.wait.acquire;\n" +
                   "xor.b32 %r9, %r8, 4;\nld.shared.u32 %r10, [%r9+64];\n"),
               "race: read");
}

/// Each block copies half of 1,024 bytes to both; what arrives is the same everywhere and counts once.
std::string multicast(const std::string& mask, int expected, const std::string& rank = "%r2") {
  return "@%p1 bra WAIT;\nmbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], " + std::to_string(expected) +
         ";\nshl.b32 %r7, " + rank +
         ", 9;\nadd.s32 %r8, %r7, %r1;\ncvt.u64.u32 %x3, %r7;\nadd.s64 %x4, %w1, %x3;\n"
         "mov.b16 %h1, " +
         mask +
         ";\n"
         "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%r8+64], [%x4], 512, "
         "[%r1], %h1;\n" +
         kWait +
         "shl.b32 %r9, %tid, 2;\nadd.s32 %r9, %r9, %r1;\nld.shared.u32 %r10, [%r9+576];\n"
         "st.global.u32 [%x1], %r10;\n" +
         kMeet;
}

TEST(ClusterTest, CopiesReachEveryBlockOfTheirMask) {
  for (ThreadOrder order : {ThreadOrder::kAscending, ThreadOrder::kDescending, ThreadOrder::kRandom})
    for (bool checked : {false, true}) {
      ClusterRun run;
      run.order = order;
      run.checked = checked;
      EXPECT_EQ(run(init(1) + multicast("3", 1024)), "");
      for (uint32_t block = 0; block < 4; ++block)
        EXPECT_EQ(run.memory[block * 128 + 5], 1000u + 128 + 5) << "block " << block;
      if (checked) EXPECT_EQ(run.counters.copiedBytes, 4 * 512u);
    }
  ClusterRun run;
  EXPECT_FOUND(run(init(1) + multicast("1", 1024)), "deadlock");
  EXPECT_FOUND(run(init(1) + multicast("7", 1024)), "block 2 of a cluster of 2");
  EXPECT_FOUND(run(init(1) + multicast("0", 1024)), "a multicast to no block");
  EXPECT_FOUND(run(init(1) + multicast("3", 1024, "0")), "race: write");  // both copy the same half
  EXPECT_FOUND(run(init(1, "bar.sync 0;\n") + multicast("3", 1024)), "race: ");
  EXPECT_FOUND(run(init(1) + multicast("3", 512)), "race: read");  // the other half may still be on its way
}

TEST(ClusterTest, TheClustersBarrierIsArrivedAtOnceAndWaitedFor) {
  ClusterRun run;
  EXPECT_EQ(run(kMeet + kMeet + kMeet), "");
  EXPECT_FOUND(run("barrier.cluster.arrive; barrier.cluster.arrive;\n"), "again before it has waited");
  EXPECT_FOUND(run("barrier.cluster.wait;\n"), "has not arrived");
  EXPECT_FOUND(run("setp.eq.u32 %p2, %r6, 0;\n@%p2 bar.sync 1, 32;\n" + kMeet), "at the cluster's barrier");
  // Those that have ended are not waited for.
  EXPECT_EQ(run("setp.eq.u32 %p2, %r2, 0;\n@%p2 ret;\n" + kMeet), "");
}

}  // namespace
}  // namespace llmc::emu
