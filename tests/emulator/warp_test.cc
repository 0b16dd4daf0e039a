// Shuffles, votes, reductions, barriers, matrix fragments and asynchronous copies against plain C++.
#include <bit>
#include <cmath>

#include "tests/emulator/ptx_kernel.h"

namespace llmc::emu {
namespace {

/// `code` leaves a result in %r9 of each of 32 lanes.
std::vector<uint32_t> lanes(const std::string& code, ThreadOrder order = ThreadOrder::kAscending) {
  std::vector<uint32_t> result(32);
  LaunchChecks checks;
  checks.order = order;
  rt::Status status =
      runPtx(ptxModule("mul.wide.u32 %x1, %tid, 4;\nadd.s64 %x2, %w0, %x1;\n" + code + "\nst.global.u32 [%x2], %r9;\n"),
             {(uint64_t)result.data(), 0, 0, 0}, {1, 1, 1}, {32, 1, 1}, 0, checks);
  EXPECT_TRUE(status.isOk()) << code << ": " << status.toString();
  return result;
}

TEST(WarpTest, ShufflesInAllModes) {
  for (ThreadOrder order : {ThreadOrder::kAscending, ThreadOrder::kDescending, ThreadOrder::kRandom}) {
    std::vector<uint32_t> idx = lanes("shfl.sync.idx.b32 %r9, %tid, 5, 31, -1;", order);
    std::vector<uint32_t> up = lanes("shfl.sync.up.b32 %r9|%p1, %tid, 3, 0, -1; @!%p1 add.s32 %r9, %r9, 100;", order);
    std::vector<uint32_t> down = lanes("shfl.sync.down.b32 %r9, %tid, 4, 31, -1;", order);
    std::vector<uint32_t> fly = lanes("shfl.sync.bfly.b32 %r9, %tid, 16, 31, -1;", order);
    // Segments of eight: clamp 7 + segment mask 24.
    std::vector<uint32_t> part = lanes("shfl.sync.idx.b32 %r9, %tid, 2, 6175, -1;", order);
    for (uint32_t i = 0; i < 32; ++i) {
      EXPECT_EQ(idx[i], 5u);
      EXPECT_EQ(up[i], i < 3 ? i + 100 : i - 3);
      EXPECT_EQ(down[i], i + 4 > 31 ? i : i + 4);
      EXPECT_EQ(fly[i], i ^ 16);
      EXPECT_EQ(part[i], i / 8 * 8 + 2);
    }
  }
}

TEST(WarpTest, VotesAndReductions) {
  std::vector<uint32_t> ballot = lanes("setp.lt.u32 %p1, %tid, 5; vote.sync.ballot.b32 %r9, %p1, -1;");
  std::vector<uint32_t> any =
      lanes("setp.eq.u32 %p1, %tid, 7; vote.sync.any.pred %p2, %p1, -1; selp.b32 %r9, 1, 0, %p2;");
  std::vector<uint32_t> all =
      lanes("setp.ne.u32 %p1, %tid, 7; vote.sync.all.pred %p2, %p1, -1; selp.b32 %r9, 1, 0, %p2;");
  std::vector<uint32_t> sum = lanes("redux.sync.add.s32 %r9, %tid, -1;");
  std::vector<uint32_t> top = lanes("sub.s32 %r1, 3, %tid; redux.sync.max.s32 %r9, %r1, -1;");
  std::vector<uint32_t> same = lanes("shr.u32 %r1, %tid, 3; match.any.sync.b32 %r9, %r1, -1;");
  for (uint32_t i = 0; i < 32; ++i) {
    EXPECT_EQ(ballot[i], 31u);
    EXPECT_EQ(any[i], 1u);
    EXPECT_EQ(all[i], 0u);
    EXPECT_EQ(sum[i], 496u);
    EXPECT_EQ(top[i], 3u);
    EXPECT_EQ(same[i], 255u << (i / 8 * 8));
  }
}

TEST(WarpTest, HalvesOfAWarpMayMeetApart) {
  std::vector<uint32_t> got = lanes(R"(
    setp.lt.u32 %p1, %tid, 16;
    @%p1 bra LOW;
    shfl.sync.bfly.b32 %r9, %tid, 1, 31, 0xffff0000;
    bra END;
    LOW: shfl.sync.bfly.b32 %r9, %tid, 2, 31, 0x0000ffff;
    END:
  )");
  for (uint32_t i = 0; i < 32; ++i) EXPECT_EQ(got[i], i < 16 ? i ^ 2 : i ^ 1);
}

TEST(WarpTest, BarriersOfTheBlock) {
  // 128 threads write, all read their neighbour; then a barrier of 64 for the first two warps, and a count.
  std::vector<uint32_t> out(128);
  rt::Status status = runPtx(ptxModule(R"(
    mov.u32 %r1, smem;
    shl.b32 %r2, %tid, 2;
    add.s32 %r3, %r1, %r2;
    st.shared.u32 [%r3], %tid;
    bar.sync 0;
    xor.b32 %r4, %r2, 508;
    add.s32 %r5, %r1, %r4;
    ld.shared.u32 %r6, [%r5];
    setp.ge.u32 %p1, %tid, 64;
    @%p1 bra SKIP;
    bar.sync 3, 64;
    SKIP:
    setp.lt.u32 %p2, %tid, 10;
    bar.red.popc.u32 %r7, 0, %p2;
    shl.b32 %r8, %r7, 16;
    or.b32 %r9, %r8, %r6;
    cvt.u64.u32 %x1, %r2;
    add.s64 %x2, %w0, %x1;
    st.global.u32 [%x2], %r9;
  )",
                                       4, ".extern .shared .align 16 .b8 smem[];"),
                             {(uint64_t)out.data(), 0, 0, 0}, {1, 1, 1}, {128, 1, 1}, 512);
  ASSERT_TRUE(status.isOk()) << status.toString();
  for (uint32_t i = 0; i < 128; ++i) EXPECT_EQ(out[i], (127 - i) | 10u << 16);
}

uint16_t brain(float x) { return (uint16_t)(std::bit_cast<uint32_t>(x) >> 16); }

/// D = A * B + C of m16n8k16 with operands from shared memory through ldmatrix, B transposed on the way.
TEST(WarpTest, MatrixFragments) {
  std::vector<uint16_t> a(16 * 16), b(16 * 8);
  for (size_t i = 0; i < a.size(); ++i) a[i] = brain((float)((int)(i * 7 % 23) - 11));
  for (size_t i = 0; i < b.size(); ++i) b[i] = brain((float)((int)(i * 5 % 17) - 8));
  std::vector<float> d(16 * 8);
  rt::Status status =
      runPtx(ptxModule(R"(
    mov.u32 %r1, smem;
    shl.b32 %r2, %tid, 4;
    add.s32 %r3, %r1, %r2;
    cvt.u64.u32 %x1, %r2;
    add.s64 %x2, %w0, %x1;
    cp.async.cg.shared.global [%r3], [%x2], 16;
    setp.lt.u32 %p1, %tid, 16;
    add.s32 %r4, %r3, 512;
    add.s64 %x3, %w1, %x1;
    @%p1 cp.async.ca.shared.global [%r4], [%x3], 16, 16;
    cp.async.commit_group;
    cp.async.wait_group 0;
    bar.warp.sync -1;
    and.b32 %r5, %tid, 15;
    shl.b32 %r6, %r5, 5;
    shr.u32 %r7, %tid, 4;
    shl.b32 %r8, %r7, 4;
    add.s32 %r9, %r6, %r8;
    add.s32 %r10, %r9, %r1;
    ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r11, %r12, %r13, %r14}, [%r10];
    shl.b32 %r15, %r5, 4;
    add.s32 %r16, %r15, %r1;
    ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r17, %r18}, [%r16+512];
    mov.f32 %f1, 0f3f800000;
    mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f2, %f3, %f4, %f5}, {%r11, %r12, %r13, %r14}, {%r17, %r18}, {%f1, %f1, %f1, %f1};
    shr.u32 %r20, %tid, 2;
    and.b32 %r21, %tid, 3;
    shl.b32 %r22, %r20, 5;
    shl.b32 %r23, %r21, 3;
    add.s32 %r24, %r22, %r23;
    cvt.u64.u32 %x4, %r24;
    add.s64 %x5, %w2, %x4;
    st.global.v2.f32 [%x5], {%f2, %f3};
    st.global.v2.f32 [%x5+256], {%f4, %f5};
  )",
                       4, ".extern .shared .align 16 .b8 smem[];"),
             {(uint64_t)a.data(), (uint64_t)b.data(), (uint64_t)d.data(), 0}, {1, 1, 1}, {32, 1, 1}, 768);
  ASSERT_TRUE(status.isOk()) << status.toString();
  auto value = [](uint16_t x) { return std::bit_cast<float>((uint32_t)x << 16); };
  for (size_t row = 0; row < 16; ++row)
    for (size_t column = 0; column < 8; ++column) {
      float want = 1;
      for (size_t k = 0; k < 16; ++k) want += value(a[row * 16 + k]) * value(b[k * 8 + column]);
      ASSERT_EQ(d[row * 8 + column], want) << row << ", " << column;
    }
}

/// s8: each lane holds four neighbours along k of its row (A) or column (B).
TEST(WarpTest, IntegerMatrices) {
  std::vector<int8_t> a(16 * 32), b(8 * 32);
  for (size_t i = 0; i < a.size(); ++i) a[i] = (int8_t)((int)(i * 31 % 255) - 127);
  for (size_t i = 0; i < b.size(); ++i) b[i] = (int8_t)((int)(i * 17 % 251) - 125);
  std::vector<int32_t> d(16 * 8);
  rt::Status status = runPtx(ptxModule(R"(
    shr.u32 %r1, %tid, 2;
    and.b32 %r2, %tid, 3;
    shl.b32 %r3, %r1, 5;
    shl.b32 %r4, %r2, 2;
    add.s32 %r5, %r3, %r4;
    cvt.u64.u32 %x1, %r5;
    add.s64 %x2, %w0, %x1;
    add.s64 %x3, %w1, %x1;
    ld.global.u32 %r11, [%x2];
    ld.global.u32 %r12, [%x2+256];
    ld.global.u32 %r13, [%x2+16];
    ld.global.u32 %r14, [%x2+272];
    ld.global.u32 %r15, [%x3];
    ld.global.u32 %r16, [%x3+16];
    mov.u32 %r17, 0;
    mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%r21, %r22, %r23, %r24}, {%r11, %r12, %r13, %r14}, {%r15, %r16}, {%r17, %r17, %r17, %r17};
    shl.b32 %r6, %r2, 3;
    add.s32 %r7, %r3, %r6;
    cvt.u64.u32 %x4, %r7;
    add.s64 %x5, %w2, %x4;
    st.global.v2.u32 [%x5], {%r21, %r22};
    st.global.v2.u32 [%x5+256], {%r23, %r24};
  )"),
                             {(uint64_t)a.data(), (uint64_t)b.data(), (uint64_t)d.data(), 0}, {1, 1, 1}, {32, 1, 1});
  ASSERT_TRUE(status.isOk()) << status.toString();
  for (size_t row = 0; row < 16; ++row)
    for (size_t column = 0; column < 8; ++column) {
      int32_t want = 0;
      for (size_t k = 0; k < 32; ++k) want += a[row * 32 + k] * b[column * 32 + k];
      ASSERT_EQ(d[row * 8 + column], want) << row << ", " << column;
    }
}

TEST(WarpTest, CopiesLandWhenTheyAreWaitedForAndFillWithZeros) {
  uint32_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8] = {};
  rt::Status status = runPtx(ptxModule(R"(
    mov.u32 %r1, smem;
    cp.async.cg.shared.global [%r1], [%w0], 16, 8;
    cp.async.commit_group;
    cp.async.ca.shared.global [%r1+16], [%w0], 4;
    cp.async.commit_group;
    ld.shared.u32 %r2, [%r1];
    cp.async.wait_group 1;
    ld.shared.v4.u32 {%r3, %r4, %r5, %r6}, [%r1];
    ld.shared.u32 %r7, [%r1+16];
    cp.async.wait_all;
    ld.shared.u32 %r8, [%r1+16];
    st.global.v4.u32 [%w1], {%r2, %r3, %r4, %r5};
    st.global.v4.u32 [%w1+16], {%r6, %r7, %r8, %r8};
  )",
                                       4, ".extern .shared .align 16 .b8 smem[];"),
                             {(uint64_t)in, (uint64_t)out, 0, 0}, {1, 1, 1}, {1, 1, 1}, 32);
  ASSERT_TRUE(status.isOk()) << status.toString();
  const uint32_t want[8] = {0xffffffff, 1, 2, 0, 0, 0xffffffff, 1, 1};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(out[i], want[i]) << i;
}

TEST(WarpTest, MbarriersCountArrivalsAndBytes) {
  uint32_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[64] = {};
  rt::Status status = runPtx(ptxModule(R"(
    mov.u32 %r1, smem;
    setp.ne.u32 %p1, %tid, 0;
    @%p1 bra READY;
    mbarrier.init.shared::cta.b64 [%r1], 1;
    READY: bar.sync 0;
    @%p1 bra WAIT;
    mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 32;
    cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1+16], [%w0], 32, [%r1];
    WAIT: mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r1], 0;
    @!%p2 bra WAIT;
    and.b32 %r2, %tid, 7;
    shl.b32 %r3, %r2, 2;
    add.s32 %r4, %r3, %r1;
    ld.shared.u32 %r5, [%r4+16];
    mul.wide.u32 %x1, %tid, 4;
    add.s64 %x2, %w1, %x1;
    st.global.u32 [%x2], %r5;
  )",
                                       4, ".extern .shared .align 16 .b8 smem[];"),
                             {(uint64_t)in, (uint64_t)out, 0, 0}, {1, 1, 1}, {64, 1, 1}, 48);
  ASSERT_TRUE(status.isOk()) << status.toString();
  for (uint32_t i = 0; i < 64; ++i) EXPECT_EQ(out[i], i % 8 + 1);
}

}  // namespace
}  // namespace llmc::emu
