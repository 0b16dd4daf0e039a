// cvt in its forms, loads and stores of all widths, against plain C++.
#include <algorithm>
#include <bit>
#include <cmath>

#include "tests/emulator/ptx_kernel.h"

namespace llmc::emu {
namespace {

float f(uint64_t bits) { return std::bit_cast<float>((uint32_t)bits); }

/// f32 to bf16 by its definition: the nearer of the two neighbours, the even one of two equally near.
uint16_t toBrain(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), low = bits & ~0xffffu;
  if (std::isnan(value)) return 0x7fff;
  const double below = f(low),
               above = std::isinf(f(low + 0x10000)) ? std::copysign(std::ldexp(1.0, 128), value) : f(low + 0x10000);
  const double x = value;
  if (std::isinf(value)) return (uint16_t)(bits >> 16);
  const bool up =
      std::fabs(above - x) < std::fabs(x - below) || (std::fabs(above - x) == std::fabs(x - below) && (low >> 16 & 1));
  return (uint16_t)((up ? low + 0x10000 : low) >> 16);
}

TEST(ConvertTest, FloatsToIntegersAreClamped) {
  const PtxOperands operands = sampleOperands();
  auto clamp = [](double x, double low, double high) { return std::isnan(x) ? 0.0 : std::clamp(x, low, high); };
  std::vector<uint64_t> zero = evaluatePtx("cvt.rzi.s32.f32 %r9, %f1; cvt.s64.s32 %x9, %r9;", operands);
  std::vector<uint64_t> near = evaluatePtx("cvt.rni.u32.f32 %r9, %f1; cvt.u64.u32 %x9, %r9;", operands);
  std::vector<uint64_t> down = evaluatePtx("cvt.rmi.s64.f32 %x9, %f1;", operands);
  for (size_t i = 0; i < zero.size(); ++i) {
    const float x = f(operands.a[i]);
    ASSERT_EQ((int64_t)zero[i], (int64_t)clamp(std::trunc(x), -0x1p31, 0x1p31 - 1)) << x;
    ASSERT_EQ((int64_t)near[i], (int64_t)clamp(std::nearbyint(x), 0, 0x1p32 - 1)) << x;
    if (std::fabs(x) < 0x1p62) ASSERT_EQ((int64_t)down[i], (int64_t)std::floor(x)) << x;
  }
}

TEST(ConvertTest, IntegersToFloatsAndEachOther) {
  const PtxOperands operands = sampleOperands();
  std::vector<uint64_t> single =
      evaluatePtx("cvt.rn.f32.s32 %f9, %r1; mov.b32 %r9, %f9; cvt.u64.u32 %x9, %r9;", operands);
  std::vector<uint64_t> narrow = evaluatePtx("cvt.s8.s32 %r9, %r1; cvt.s64.s32 %x9, %r9;", operands);
  std::vector<uint64_t> sat = evaluatePtx("cvt.sat.u8.s32 %r9, %r1; cvt.u64.u32 %x9, %r9;", operands);
  std::vector<uint64_t> wide = evaluatePtx("cvt.rn.f64.u64 %d9, %x1; mov.b64 %x9, %d9;", operands);
  for (size_t i = 0; i < single.size(); ++i) {
    const auto a = (int32_t)operands.a[i];
    ASSERT_EQ(f(single[i]), (float)a);
    ASSERT_EQ((int64_t)narrow[i], (int64_t)(int8_t)a);
    ASSERT_EQ(sat[i], (uint64_t)std::clamp(a, 0, 255));
    ASSERT_EQ(std::bit_cast<double>(wide[i]), (double)operands.a[i]);
  }
}

TEST(ConvertTest, PairsOfShortFloats) {
  const PtxOperands operands = sampleOperands();
  std::vector<uint64_t> brain = evaluatePtx("cvt.rn.bf16x2.f32 %r9, %f1, %f2; cvt.u64.u32 %x9, %r9;", operands);
  std::vector<uint64_t> half = evaluatePtx("cvt.rn.f16x2.f32 %r9, %f1, %f2; cvt.u64.u32 %x9, %r9;", operands);
  std::vector<uint64_t> finite =
      evaluatePtx("cvt.rn.satfinite.f16x2.f32 %r9, %f1, %f2; cvt.u64.u32 %x9, %r9;", operands);
  std::vector<uint64_t> back = evaluatePtx("cvt.f32.f16 %f9, %h1; mov.b32 %r9, %f9; cvt.u64.u32 %x9, %r9;", operands);
  for (size_t i = 0; i < brain.size(); ++i) {
    const float a = f(operands.a[i]), b = f(operands.b[i]);
    ASSERT_EQ(brain[i] >> 16, toBrain(a)) << a;
    ASSERT_EQ(brain[i] & 0xffff, toBrain(b)) << b;
    const auto top = std::bit_cast<_Float16>((uint16_t)(half[i] >> 16));
    if (!std::isnan(a)) ASSERT_EQ((float)top, (float)(_Float16)a);
    const auto most = std::bit_cast<_Float16>((uint16_t)(finite[i] >> 16));
    if (!std::isnan(a)) ASSERT_EQ((float)most, (float)(_Float16)std::clamp(a, -65504.0f, 65504.0f));
    const auto h = (float)std::bit_cast<_Float16>((uint16_t)operands.a[i]);
    if (!std::isnan(h)) ASSERT_EQ(f(back[i]), h);
  }
}

TEST(ConvertTest, BytesOfE4m3) {
  PtxOperands all;
  for (uint64_t i = 0; i < 256; ++i) {
    all.a.push_back(i | i << 8);
    all.b.push_back(0);
    all.c.push_back(0);
  }
  // Every byte comes back from its own value.
  std::vector<uint64_t> round = evaluatePtx(
      "cvt.rn.f16x2.e4m3x2 %r8, %h1; mov.b32 {%h7, %h8}, %r8; cvt.f32.f16 %f7, %h7;"
      "cvt.rn.satfinite.e4m3x2.f32 %h9, %f7, %f7; cvt.u64.u16 %x9, %h9;",
      all);
  for (size_t i = 0; i < round.size(); ++i)
    if ((i & 0x7f) != 0x7f) ASSERT_EQ(round[i], all.a[i]) << i;
  std::vector<uint64_t> value =
      evaluatePtx("cvt.rn.f16x2.e4m3x2 %r8, %h1; mov.b32 {%h7, %h8}, %r8; cvt.u64.u16 %x9, %h7;", all);
  auto number = [&](size_t i) { return (float)std::bit_cast<_Float16>((uint16_t)value[i]); };
  EXPECT_EQ(number(0x38), 1.0f);
  EXPECT_EQ(number(0x7e), 448.0f);
  EXPECT_EQ(number(0x01), 0.001953125f);
  EXPECT_EQ(number(0xc4), -3.0f);
}

TEST(ConvertTest, LoadsAndStoresOfAllWidths) {
  std::vector<uint8_t> in(64), out(128, 0);
  for (size_t i = 0; i < in.size(); ++i) in[i] = (uint8_t)(0xf0 + i);
  rt::Status status = runPtx(ptxModule(R"(
    ld.global.s8 %r1, [%w0];
    st.global.u32 [%w1], %r1;
    ld.global.u8 %r2, [%w0+1];
    st.global.u32 [%w1+4], %r2;
    ld.global.nc.v4.u32 {%r3, %r4, %r5, %r6}, [%w0+16];
    st.global.v4.u32 [%w1+16], {%r6, %r5, %r4, %r3};
    ld.global.L1::no_allocate.v2.u64 {%x1, %x2}, [%w0+32];
    st.v2.b64 [%w1+32], {%x2, %x1};
    ld.global.v4.u8 {%h1, %h2, %h3, %h4}, [%w0+4];
    st.global.v2.u16 [%w1+48], {%h4, %h1};
    ld.global.s16 %x3, [%w0+2];
    st.global.u64 [%w1+56], %x3;
  )"),
                             {(uint64_t)in.data(), (uint64_t)out.data(), 0, 0}, {1, 1, 1}, {1, 1, 1});
  ASSERT_TRUE(status.isOk()) << status.toString();
  auto word = [&](size_t at) {
    uint32_t value;
    std::memcpy(&value, &out[at], 4);
    return value;
  };
  EXPECT_EQ(word(0), 0xfffffff0u);
  EXPECT_EQ(word(4), 0xf1u);
  EXPECT_TRUE(std::equal(&out[16], &out[20], &in[28]));
  EXPECT_TRUE(std::equal(&out[32], &out[40], &in[40]));
  EXPECT_EQ(word(48), 0x00f400f7u);
  EXPECT_EQ(word(56), 0xfffff3f2u);
  EXPECT_EQ(word(60), 0xffffffffu);
}

TEST(ConvertTest, AtomicsReturnWhatWasThere) {
  uint32_t counter = 5, seen[64] = {};
  float sum = 0;
  rt::Status status = runPtx(ptxModule(R"(
    mul.wide.u32 %x1, %tid, 4;
    add.s64 %x2, %w1, %x1;
    atom.global.add.u32 %r1, [%w0], 2;
    st.global.u32 [%x2], %r1;
    red.global.add.f32 [%w2], 0f3f000000;
  )"),
                             {(uint64_t)&counter, (uint64_t)seen, (uint64_t)&sum, 0}, {1, 1, 1}, {64, 1, 1});
  ASSERT_TRUE(status.isOk()) << status.toString();
  EXPECT_EQ(counter, 5u + 128u);
  EXPECT_EQ(sum, 32.0f);
  std::sort(seen, seen + 64);
  for (uint32_t i = 0; i < 64; ++i) EXPECT_EQ(seen[i], 5 + 2 * i);
}

}  // namespace
}  // namespace llmc::emu
