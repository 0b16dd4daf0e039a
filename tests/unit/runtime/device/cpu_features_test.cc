// Invented CPUs: each level needs all its bits and the OS state behind them.
#include "runtime/device/cpu_features.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

namespace llmc::rt {
namespace {

constexpr std::array<std::string_view, 6> kAll = {"x86-64-v3",           "x86-64-v3-avxvnni",
                                                  "x86-64-v4",           "x86-64-v4-vnni",
                                                  "x86-64-v4-vnni-bf16", "x86-64-v4-vnni-bf16-vp2intersect"};

constexpr uint32_t kLeaf1 = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29;
constexpr uint32_t kAvx2 = 1u << 5 | 1u << 8;
constexpr uint32_t kAvx512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;

CpuidWords zen3() { return {kLeaf1, kAvx2, 0, 0, 0x7}; }
CpuidWords zen4() { return {kLeaf1, kAvx2 | kAvx512, 1u << 11, 1u << 5, 0xe7}; }
CpuidWords zen5() { return {kLeaf1, kAvx2 | kAvx512, 1u << 11, 1u << 4 | 1u << 5, 0xe7, 1u << 8}; }
CpuidWords alderLake() { return {kLeaf1, kAvx2, 0, 1u << 4, 0x7}; }

size_t levelOf(const CpuidWords& words) {
  auto level = selectLevel(kAll, decodeCpuFeatures(words));
  return level ? *level : 99;
}

TEST(CpuFeatures, PicksTheLastSupportedLevel) {
  EXPECT_EQ(levelOf(zen3()), 0u);
  EXPECT_EQ(levelOf(alderLake()), 1u);
  CpuidWords skylakeServer = zen4();
  skylakeServer.leaf7Ecx = 0;
  skylakeServer.leaf71Eax = 0;
  EXPECT_EQ(levelOf(skylakeServer), 2u);
  CpuidWords iceLake = zen4();
  iceLake.leaf71Eax = 0;
  EXPECT_EQ(levelOf(iceLake), 3u);
  EXPECT_EQ(levelOf(zen4()), 4u);
  EXPECT_EQ(levelOf(zen5()), 5u);
  CpuidWords tigerLake = zen5();
  tigerLake.leaf71Eax = 0;
  EXPECT_EQ(levelOf(tigerLake), 3u);
}

TEST(CpuFeatures, NeedsTheOsToSaveTheRegisters) {
  CpuidWords words = zen4();
  words.xcr0 = 0x7;  // ymm only: AVX-512 would fault
  EXPECT_EQ(levelOf(words), 0u);
  words = zen5();
  words.xcr0 = 0x7;
  EXPECT_EQ(levelOf(words), 1u);
  words = zen4();
  words.xcr0 = 0x3;
  EXPECT_EQ(levelOf(words), 99u);
}

TEST(CpuFeatures, EachBitOfV4IsNeeded) {
  for (int bit : {16, 17, 28, 30, 31}) {
    CpuidWords words = zen4();
    words.leaf7Ebx &= ~(1u << bit);
    EXPECT_FALSE(decodeCpuFeatures(words).v4) << bit;
    EXPECT_TRUE(decodeCpuFeatures(words).v3) << bit;
  }
  for (int bit : {12, 28, 29}) {
    CpuidWords words = zen4();
    words.leaf1Ecx &= ~(1u << bit);
    EXPECT_FALSE(decodeCpuFeatures(words).v3) << bit;
  }
}

TEST(CpuFeatures, UnsupportedMachineNamesBothSides) {
  auto level = selectLevel(kAll, CpuFeatures{});
  ASSERT_FALSE(level);
  EXPECT_EQ(level.status().code(), "EN_CPU_ARCH");
  EXPECT_EQ(exitStatus(level.status().kind()), 78);
  EXPECT_NE(level.status().message().find("x86-64-v4-vnni-bf16"), std::string::npos);
  EXPECT_NE(level.status().message().find("none of v3"), std::string::npos);
}

TEST(CpuFeatures, EngineWithoutALevelForThisMachineIsRefused) {
  const std::array<std::string_view, 1> only = {"x86-64-v4"};
  EXPECT_FALSE(selectLevel(only, decodeCpuFeatures(zen3())));
  const std::array<std::string_view, 2> unknown = {"x86-64-v3", "x86-64-v9"};
  EXPECT_EQ(*selectLevel(unknown, decodeCpuFeatures(zen4())), 0u);
}

TEST(CpuFeatures, OverrideGoesOnlyToASupportedLevel) {
  const CpuFeatures zen = decodeCpuFeatures(zen4());
  EXPECT_EQ(*selectLevel(kAll, zen, "x86-64-v3"), 0u);
  EXPECT_FALSE(selectLevel(kAll, zen, "x86-64-v3-avxvnni"));
  EXPECT_FALSE(selectLevel(kAll, decodeCpuFeatures(zen3()), "x86-64-v4"));
  EXPECT_FALSE(selectLevel(kAll, zen, "x86-64-v5"));
}

TEST(CpuFeatures, RestrictionCanOnlyTakeAway) {
  const CpuFeatures three = decodeCpuFeatures(zen3());
  EXPECT_FALSE(restrictFeatures(three, "v3,v4,avx512vnni").v4);
  EXPECT_TRUE(restrictFeatures(three, "v3,v4").v3);
  EXPECT_FALSE(restrictFeatures(three, "none").v3);
  setenv("LLMC_CPU_FEATURES", "none", 1);
  EXPECT_FALSE(detectCpuFeatures().v3);
  unsetenv("LLMC_CPU_FEATURES");
}

TEST(CpuFeatures, UnknownNamesInTheEnvironmentAreListed) {
  EXPECT_TRUE(checkCpuEnvironment());
  const auto check = [](const char* variable, const char* value) {
    setenv(variable, value, 1);
    const Status status = checkCpuEnvironment();
    unsetenv(variable);
    return status.isOk() ? std::string("ok") : std::to_string(exitStatus(status.kind())) + " " + status.toString();
  };
  for (const char* list : {"", "none", "v3", "v3,avxvnni,v4,avx512vnni,avx512bf16,avx512vp2intersect"})
    EXPECT_EQ(check("LLMC_CPU_FEATURES", list), "ok") << list;
  for (auto level : kAll) EXPECT_EQ(check("LLMC_CPU_LEVEL", std::string(level).c_str()), "ok") << level;
  EXPECT_EQ(check("LLMC_CPU_LEVEL", ""), "ok");
  EXPECT_EQ(check("LLMC_CPU_FEATURES", "v3,avx2"),
            "64 error[CPU_ENVIRONMENT] LLMC_CPU_FEATURES does not know 'avx2'; expected none, v3, avxvnni, v4, "
            "avx512vnni, avx512bf16, avx512vp2intersect");
  EXPECT_EQ(check("LLMC_CPU_FEATURES", "v3,,v4"),
            "64 error[CPU_ENVIRONMENT] LLMC_CPU_FEATURES does not know ''; expected none, v3, avxvnni, v4, avx512vnni, "
            "avx512bf16, avx512vp2intersect");
  EXPECT_EQ(check("LLMC_CPU_LEVEL", "x86-64-v9"),
            "64 error[CPU_ENVIRONMENT] LLMC_CPU_LEVEL does not know 'x86-64-v9'; expected x86-64-v3, "
            "x86-64-v3-avxvnni, x86-64-v4, x86-64-v4-vnni, x86-64-v4-vnni-bf16, "
            "x86-64-v4-vnni-bf16-vp2intersect");
}

TEST(CpuFeatures, ThisMachineAgreesWithTheCompilersRuntime) {
  EXPECT_EQ(detectCpuFeatures().v3,
            bool(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")));
  EXPECT_EQ(detectCpuFeatures().avx512Vnni, bool(__builtin_cpu_supports("avx512vnni")));
  EXPECT_FALSE(cpuBrand().empty());
}

}  // namespace
}  // namespace llmc::rt
