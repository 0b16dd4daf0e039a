// The peaks are plausible, of every level that this machine has.
#include "runtime/device/compute_peak.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "runtime/device/cpu_features.h"

namespace llmc::rt {
namespace {

TEST(ComputePeak, IsPlausibleAtEveryLevel) {
  auto pool = WorkerPool::create({.threads = 2});
  ASSERT_TRUE(pool);
  for (const char* level : {"x86-64-v3", "x86-64-v3-avxvnni", "x86-64-v4", "x86-64-v4-vnni", "x86-64-v4-vnni-bf16",
                            "x86-64-v4-vnni-bf16-vp2intersect"}) {
    if (!supportsLevel(level, detectCpuFeatures())) continue;
    const ComputePeaks peaks = measureComputePeaks(**pool, level);
    std::printf("%s, 2 workers: int8 %.0f (%s), int16 %.0f, f32 %.0f, bf16 %.0f GOP/s\n", level, peaks.int8 / 1e9,
                peaks.int8How.c_str(), peaks.int16 / 1e9, peaks.f32 / 1e9, peaks.bf16 / 1e9);
    EXPECT_GT(peaks.f32, 1e9);
    EXPECT_LT(peaks.f32, 1e13);
    // Four bytes are where one float is; a machine that makes less than 1.5 of it is not one we know.
    EXPECT_GT(peaks.int8, 1.5 * peaks.f32) << level;
    EXPECT_LT(peaks.int8, 20 * peaks.f32) << level;
    // Two where one float is, with an instruction more to add them up where there is no VNNI.
    EXPECT_GT(peaks.int16, 0.7 * peaks.f32) << level;
    EXPECT_LT(peaks.int16, 0.8 * peaks.int8) << level;
    EXPECT_EQ(peaks.vectorBits, std::string_view(level).find("v4") != std::string_view::npos ? 512 : 256);
    EXPECT_EQ(peaks.bf16 > 0, std::string_view(level).find("bf16") != std::string_view::npos);
  }
}

TEST(ComputePeak, IsZeroForALevelWithoutAName) {
  auto pool = WorkerPool::create({.threads = 1});
  ASSERT_TRUE(pool);
  const ComputePeaks peaks = measureComputePeaks(**pool, "m68k");
  EXPECT_EQ(peaks.int8, 0);
  EXPECT_EQ(peaks.int16, 0);
  EXPECT_EQ(peaks.f32, 0);
}

TEST(ComputePeak, TheBetterOfTwoIsThatOfEachKind) {
  ComputePeaks a, b;
  a.int8 = 4, a.int16 = 2, a.f32 = 1, a.int8How = "vpdpbusd, 256 bits", a.vectorBits = 256;
  b.int8 = 3, b.int16 = 3, b.f32 = 2, b.bf16 = 5;
  const ComputePeaks better = betterPeaks(a, b);
  EXPECT_EQ(better.int8, 4);
  EXPECT_EQ(better.int16, 3);
  EXPECT_EQ(better.f32, 2);
  EXPECT_EQ(better.bf16, 5);
  EXPECT_EQ(better.int8How, "vpdpbusd, 256 bits");
  EXPECT_EQ(better.vectorBits, 256);
}

}  // namespace
}  // namespace llmc::rt
