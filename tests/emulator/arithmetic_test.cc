// Integer, bit and floating-point instructions against plain C++ on the same operands.
#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "tests/emulator/ptx_kernel.h"

namespace llmc::emu {
namespace {

using Expect = std::function<uint64_t(uint64_t, uint64_t, uint64_t)>;

struct Group {
  const char* code;
  Expect expect;
};

float f(uint64_t bits) { return std::bit_cast<float>((uint32_t)bits); }
uint64_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }
double d(uint64_t bits) { return std::bit_cast<double>(bits); }

/// `floats`: NaNs are all alike.
void check(const std::vector<Group>& groups, bool floats = false) {
  const PtxOperands operands = sampleOperands();
  std::vector<std::string> codes;
  for (const Group& group : groups) codes.emplace_back(group.code);
  const std::vector<std::vector<uint64_t>> results = evaluatePtx(codes, operands);
  for (size_t number = 0; number < groups.size(); ++number) {
    const Group& group = groups[number];
    const std::vector<uint64_t>& got = results[number];
    for (size_t i = 0; i < got.size(); ++i) {
      const uint64_t want = group.expect(operands.a[i], operands.b[i], operands.c[i]);
      if (floats && std::isnan(f(got[i])) && std::isnan(f(want))) continue;
      ASSERT_EQ(got[i], want) << group.code << " of 0x" << std::hex << operands.a[i] << " 0x" << operands.b[i] << " 0x"
                              << operands.c[i];
    }
  }
}

#define WIDE32 "cvt.u64.u32 %x9, %r9;"
#define WIDEF "mov.b32 %r9, %f9; cvt.u64.u32 %x9, %r9;"
#define WIDEP "selp.u64 %x9, 1, 0, %p9;"

TEST(ArithmeticTest, Integers) {
  check({
      {"add.s32 %r9, %r1, %r2;" WIDE32, [](auto a, auto b, auto) { return (uint32_t)(a + b); }},
      {"sub.s64 %x9, %x1, %x2;", [](auto a, auto b, auto) { return a - b; }},
      {"mul.lo.s32 %r9, %r1, %r2;" WIDE32, [](auto a, auto b, auto) { return (uint32_t)((uint32_t)a * (uint32_t)b); }},
      {"mul.hi.s32 %r9, %r1, %r2;" WIDE32,
       [](auto a, auto b, auto) { return (uint32_t)(((int64_t)(int32_t)a * (int32_t)b) >> 32); }},
      {"mul.hi.u64 %x9, %x1, %x2;", [](auto a, auto b, auto) { return (uint64_t)(((unsigned __int128)a * b) >> 64); }},
      {"mul.wide.s32 %x9, %r1, %r2;",
       [](auto a, auto b, auto) { return (uint64_t)((int64_t)(int32_t)a * (int32_t)b); }},
      {"mul.wide.u16 %r9, %h1, %h2;" WIDE32,
       [](auto a, auto b, auto) { return (uint64_t)((a & 0xffff) * (b & 0xffff)); }},
      {"mad.lo.s32 %r9, %r1, %r2, %r3;" WIDE32,
       [](auto a, auto b, auto c) { return (uint32_t)((uint32_t)a * (uint32_t)b + (uint32_t)c); }},
      {"mad.wide.u32 %x9, %r1, %r2, %x3;",
       [](auto a, auto b, auto c) { return (uint64_t)(uint32_t)a * (uint32_t)b + c; }},
      {"or.b32 %r5, %r2, 1; div.u32 %r9, %r1, %r5;" WIDE32,
       [](auto a, auto b, auto) { return (uint32_t)a / ((uint32_t)b | 1); }},
      {"and.b32 %r5, %r2, 1023; or.b32 %r5, %r5, 1; rem.s32 %r9, %r1, %r5;" WIDE32,
       [](auto a, auto b, auto) { return (uint32_t)((int32_t)a % (int32_t)((b & 1023) | 1)); }},
      {"min.s32 %r9, %r1, %r2;" WIDE32,
       [](auto a, auto b, auto) { return (uint32_t)std::min((int32_t)a, (int32_t)b); }},
      {"max.u32 %r9, %r1, %r2;" WIDE32, [](auto a, auto b, auto) { return std::max((uint32_t)a, (uint32_t)b); }},
      {"neg.s32 %r9, %r1;" WIDE32, [](auto a, auto, auto) { return (uint32_t)-(uint32_t)a; }},
      {"abs.s32 %r9, %r1;" WIDE32, [](auto a, auto, auto) { return (uint32_t)((int32_t)a < 0 ? -(uint32_t)a : a); }},
      {"add.sat.s32 %r9, %r1, %r2;" WIDE32,
       [](auto a, auto b, auto) {
         return (uint32_t)std::clamp<int64_t>((int64_t)(int32_t)a + (int32_t)b, INT32_MIN, INT32_MAX);
       }},
      {"dp4a.s32.u32 %r9, %r1, %r2, %r3;" WIDE32,
       [](auto a, auto b, auto c) {
         uint32_t sum = (uint32_t)c;
         for (int i = 0; i < 32; i += 8) sum += (uint32_t)((int8_t)(a >> i) * (int)(uint8_t)(b >> i));
         return sum;
       }},
  });
}

TEST(ArithmeticTest, Bits) {
  check({
      {"shl.b32 %r9, %r1, %r2;" WIDE32,
       [](auto a, auto b, auto) { return (uint32_t)b > 31 ? 0u : (uint32_t)a << (uint32_t)b; }},
      {"shr.s32 %r9, %r1, %r2;" WIDE32,
       [](auto a, auto b, auto) { return (uint32_t)((int32_t)a >> std::min((uint32_t)b, 31u)); }},
      {"shr.u64 %x9, %x1, %r2;", [](auto a, auto b, auto) { return (uint32_t)b > 63 ? 0 : a >> (uint32_t)b; }},
      {"lop3.b32 %r9, %r1, %r2, %r3, 0x96;" WIDE32, [](auto a, auto b, auto c) { return (uint32_t)(a ^ b ^ c); }},
      {"lop3.b32 %r9, %r1, %r2, %r3, 0xea;" WIDE32, [](auto a, auto b, auto c) { return (uint32_t)((a & b) | c); }},
      {"shf.l.wrap.b32 %r9, %r1, %r2, %r3;" WIDE32,
       [](auto a, auto b, auto c) {
         return (uint32_t)((((uint64_t)(uint32_t)b << 32 | (uint32_t)a) << (c & 31)) >> 32);
       }},
      {"shf.r.clamp.b32 %r9, %r1, %r2, %r3;" WIDE32,
       [](auto a, auto b, auto c) {
         return (uint32_t)(((uint64_t)(uint32_t)b << 32 | (uint32_t)a) >> std::min<uint32_t>((uint32_t)c, 32));
       }},
      {"prmt.b32 %r9, %r1, %r2, 0x7531;" WIDE32,
       [](auto a, auto b, auto) {
         const uint64_t both = b << 32 | (uint32_t)a;
         return (both >> 8 & 255) | (both >> 24 & 255) << 8 | (both >> 40 & 255) << 16 | (both >> 56) << 24;
       }},
      {"prmt.b32 %r9, %r1, %r2, 0x888b;" WIDE32,  // copies of sign bits
       [](auto a, auto, auto) {
         const uint32_t low = a & 0x80 ? 255 : 0, top = a & 0x80000000 ? 255 : 0;
         return (uint32_t)(top | low << 8 | low << 16 | low << 24);
       }},
      {"bfe.u32 %r9, %r1, 5, 9;" WIDE32, [](auto a, auto, auto) { return (uint32_t)(a >> 5 & 511); }},
      {"bfe.s32 %r9, %r1, 28, 9;" WIDE32, [](auto a, auto, auto) { return (uint32_t)((int32_t)a >> 28); }},
      {"bfi.b32 %r9, %r1, %r2, 4, 8;" WIDE32,
       [](auto a, auto b, auto) { return (uint32_t)((b & ~0xff0ull) | (a & 255) << 4); }},
      {"popc.b32 %r9, %r1;" WIDE32, [](auto a, auto, auto) { return (uint64_t)std::popcount((uint32_t)a); }},
      {"clz.b64 %r9, %x1;" WIDE32, [](auto a, auto, auto) { return (uint64_t)std::countl_zero(a); }},
      {"brev.b32 %r9, %r1;" WIDE32,
       [](auto a, auto, auto) {
         uint32_t reversed = 0;
         for (int i = 0; i < 32; ++i) reversed |= (uint32_t)(a >> i & 1) << (31 - i);
         return reversed;
       }},
      {"bfind.s32 %r9, %r1;" WIDE32,
       [](auto a, auto, auto) {
         const uint32_t x = (int32_t)a < 0 ? ~(uint32_t)a : (uint32_t)a;
         return x == 0 ? 0xffffffffu : 31u - (uint32_t)std::countl_zero(x);
       }},
      {"mov.b32 {%h7, %h8}, %r1; mov.b32 %r9, {%h8, %h7};" WIDE32,
       [](auto a, auto, auto) { return std::rotl((uint32_t)a, 16); }},
      {"selp.b32 %r9, %r1, %r2, %p1;" WIDE32, [](auto a, auto b, auto c) { return (uint32_t)(c & 1 ? a : b); }},
      {"not.b64 %x9, %x1;", [](auto a, auto, auto) { return ~a; }},
      {"setp.lt.s32 %p9, %r1, %r2;" WIDEP, [](auto a, auto b, auto) { return (uint64_t)((int32_t)a < (int32_t)b); }},
      {"setp.hs.u32 %p9, %r1, %r2;" WIDEP, [](auto a, auto b, auto) { return (uint64_t)((uint32_t)a >= (uint32_t)b); }},
      {"setp.eq.and.b32 %p8|%p9, %r1, %r2, %p1;" WIDEP,
       [](auto a, auto b, auto c) { return (uint64_t)((uint32_t)a != (uint32_t)b && (c & 1)); }},
  });
}

TEST(ArithmeticTest, Floats) {
  auto smaller = [](float a, float b) {
    return std::isnan(a) ? b : std::isnan(b) ? a : a < b || (a == b && std::signbit(a)) ? a : b;
  };
  check(
      {
          {"add.f32 %f9, %f1, %f2;" WIDEF, [](auto a, auto b, auto) { return bitsOf(f(a) + f(b)); }},
          {"mul.rn.f32 %f9, %f1, %f2;" WIDEF, [](auto a, auto b, auto) { return bitsOf(f(a) * f(b)); }},
          {"fma.rn.f32 %f9, %f1, %f2, %f3;" WIDEF,
           [](auto a, auto b, auto c) { return bitsOf(std::fma(f(a), f(b), f(c))); }},
          {"div.rn.f32 %f9, %f1, %f2;" WIDEF, [](auto a, auto b, auto) { return bitsOf(f(a) / f(b)); }},
          {"sqrt.rn.f32 %f9, %f1;" WIDEF, [](auto a, auto, auto) { return bitsOf(std::sqrt(f(a))); }},
          {"ex2.approx.f32 %f9, %f1;" WIDEF, [](auto a, auto, auto) { return bitsOf(std::exp2(f(a))); }},
          {"min.f32 %f9, %f1, %f2;" WIDEF, [=](auto a, auto b, auto) { return bitsOf(smaller(f(a), f(b))); }},
          {"max.NaN.f32 %f9, %f1, %f2;" WIDEF,
           [=](auto a, auto b, auto) {
             return std::isnan(f(a)) || std::isnan(f(b)) ? bitsOf(NAN) : bitsOf(-smaller(-f(a), -f(b)));
           }},
          {"neg.f32 %f9, %f1;" WIDEF, [](auto a, auto, auto) { return (uint64_t)((uint32_t)a ^ 0x80000000u); }},
          {"abs.f32 %f9, %f1;" WIDEF, [](auto a, auto, auto) { return (uint64_t)((uint32_t)a & 0x7fffffffu); }},
          {"copysign.f32 %f9, %f1, %f2;" WIDEF,
           [](auto a, auto b, auto) { return (a & 0x80000000u) | (b & 0x7fffffffu); }},
          {"add.ftz.f32 %f9, %f1, 0f00000000;" WIDEF,
           [](auto a, auto, auto) { return std::fpclassify(f(a)) == FP_SUBNORMAL ? 0 : bitsOf(f(a) + 0.0f); }},
          {"setp.ltu.f32 %p9, %f1, %f2;" WIDEP, [](auto a, auto b, auto) { return (uint64_t)!(f(a) >= f(b)); }},
          {"setp.neu.f32 %p9, %f1, %f2;" WIDEP, [](auto a, auto b, auto) { return (uint64_t)!(f(a) == f(b)); }},
          {"testp.infinite.f32 %p9, %f1;" WIDEP, [](auto a, auto, auto) { return (uint64_t)std::isinf(f(a)); }},
      },
      true);
}

TEST(ArithmeticTest, RoundingDirections) {
  // To zero and down differ from to nearest by at most the last bit; the exact sum decides.
  const PtxOperands operands = sampleOperands();
  std::vector<uint64_t> zero = evaluatePtx("add.rz.f32 %f9, %f1, %f2;" WIDEF, operands);
  std::vector<uint64_t> down = evaluatePtx("mul.rm.f32 %f9, %f1, %f2;" WIDEF, operands);
  for (size_t i = 0; i < zero.size(); ++i) {
    const double a = f(operands.a[i]), b = f(operands.b[i]);
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    if (std::isfinite(f(zero[i])) && std::fabs(a) < 1e15 && std::fabs(b) < 1e15 && std::fabs(a) > 1e-15 &&
        std::fabs(b) > 1e-15) {
      ASSERT_LE(std::fabs((double)f(zero[i])), std::fabs(a + b));
    }
    if (std::isfinite(f(down[i]))) {
      ASSERT_LE((double)f(down[i]), a * b);
    }
  }
}

TEST(ArithmeticTest, PairsOfHalves) {
  const PtxOperands operands = sampleOperands();
  std::vector<uint64_t> sum = evaluatePtx("add.rn.f16x2 %r9, %r1, %r2;" WIDE32, operands);
  std::vector<uint64_t> product = evaluatePtx("fma.rn.bf16x2 %r9, %r1, %r2, %r3;" WIDE32, operands);
  for (size_t i = 0; i < sum.size(); ++i)
    for (int half : {0, 16}) {
      auto part = [&](uint64_t x) { return std::bit_cast<_Float16>((uint16_t)(x >> half)); };
      const auto want = (_Float16)((float)part(operands.a[i]) + (float)part(operands.b[i])), got = part(sum[i]);
      if (!std::isnan((float)want)) ASSERT_EQ((float)got, (float)want);
      auto brain = [&](uint64_t x) { return f((x >> half & 0xffff) << 16); };
      const double exact = (double)brain(operands.a[i]) * brain(operands.b[i]) + brain(operands.c[i]);
      if (std::isfinite(exact) && std::fabs(exact) < 3e38 && std::fabs(exact) > 1e-30)
        ASSERT_NEAR(brain(product[i]) / exact, 1.0, 1.0 / 256);
    }
}

TEST(ArithmeticTest, DoublesAndFunctions) {
  const PtxOperands operands = sampleOperands();
  std::vector<uint64_t> sum = evaluatePtx("fma.rn.f64 %d9, %d1, %d2, %d3; mov.b64 %x9, %d9;", operands);
  for (size_t i = 0; i < sum.size(); ++i) {
    const double want = std::fma(d(operands.a[i]), d(operands.b[i]), d(operands.c[i]));
    if (!std::isnan(want)) ASSERT_EQ(d(sum[i]), want);
  }
  for (auto [code, function] : std::vector<std::pair<const char*, float (*)(float)>>{
           {"rcp.approx.f32 %f9, %f1;", [](float x) { return 1 / x; }},
           {"rsqrt.approx.f32 %f9, %f1;", [](float x) { return 1 / std::sqrt(x); }},
           {"lg2.approx.f32 %f9, %f1;", [](float x) { return std::log2(x); }},
           {"sin.approx.f32 %f9, %f1;", [](float x) { return std::sin(x); }},
           {"cos.approx.f32 %f9, %f1;", [](float x) { return std::cos(x); }},
           {"tanh.approx.f32 %f9, %f1;", [](float x) { return std::tanh(x); }}}) {
    std::vector<uint64_t> got = evaluatePtx(std::string(code) + WIDEF, operands);
    for (size_t i = 0; i < got.size(); ++i) {
      const float want = function(f(operands.a[i]));
      if (std::isfinite(want)) ASSERT_NEAR(f(got[i]), want, 1e-6f * std::fabs(want)) << code;
    }
  }
}

}  // namespace
}  // namespace llmc::emu
