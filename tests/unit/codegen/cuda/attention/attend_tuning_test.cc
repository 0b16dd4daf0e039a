// Numbers of attention's layouts: each legal one fits and is found again by its own; what is not legal is told.
#include "codegen/cuda/attention/AttendTuning.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

CudaAttendShape shapeOf(const char *key) { return attendShape(*readAttentionKey(key)); }

TEST(AttendTuning, NumbersNameOneLegalLayout) {
  for (const char *key : {"32x8x128,f16,16", "9x3x64,int8,16", "16x2x256,fp8,4", "32x8x128,f16,0", "4x2x80,bf16,0",
                          "8x1x256,f16,0", "24x1x64,f16,3"})
    for (const char *name : {"sm_80", "sm_90a", "sm_120a"}) {
      SCOPED_TRACE(std::string(key) + " for " + name);
      const Arch &arch = *findArch(name);
      const CudaAttendShape shape = shapeOf(key);
      const std::vector<CudaAttendLayout> legal = legalAttendLayouts(shape, arch);
      ASSERT_GT(legal.size(), 4u);
      EXPECT_EQ(legal[0], chooseAttendLayout(shape, arch));
      for (const CudaAttendLayout &layout : legal) {
        std::string fault;
        EXPECT_EQ(attendLayoutWith(arch, shape, attendNumbers(layout), fault), layout);
        EXPECT_EQ(fault, "");
        EXPECT_LE(layout.sharedBytes, arch.sharedBytesMax);
        EXPECT_LE(layout.threads * layout.blocks, 2048);
        EXPECT_EQ(layout.threads % 32, 0);
        if (shape.splits) {
          EXPECT_TRUE(layout.parts >= 1 && layout.parts <= shape.splits);
        } else {
          EXPECT_LE(layout.splitWarps, layout.tileWarps) << "whoever shares out keys is in the block";
          EXPECT_GE(layout.threads / layout.tilePages, 16) << "lanes that copy a page, as swizzles want them";
          EXPECT_GE(layout.tileRows(), shape.rowHeads());
        }
      }
    }
}

/// The first ones to be measured differ from the model's choice in one number.
TEST(AttendTuning, NeighboursComeFirst) {
  const std::vector<CudaAttendLayout> legal = legalAttendLayouts(shapeOf("32x8x128,f16,16"), *findArch("sm_90a"));
  std::set<std::string> changed;
  for (size_t i = 1; i < 8; ++i) {
    const std::vector<TunedNumber> chosen = attendNumbers(legal[0]), other = attendNumbers(legal[i]);
    ASSERT_EQ(chosen.size(), other.size());
    int differ = 0;
    for (size_t n = 0; n < chosen.size(); ++n)
      if (chosen[n].value != other[n].value) {
        changed.insert(chosen[n].name);
        ++differ;
      }
    EXPECT_EQ(differ, 1) << i;
  }
  EXPECT_GE(changed.size(), 3u);
}

TEST(AttendTuning, TheModelDecidesWhatIsLeftOpen) {
  const Arch &arch = *findArch("sm_90a");
  const CudaAttendShape shape = shapeOf("32x8x128,f16,16");
  std::string fault;
  EXPECT_EQ(attendLayoutWith(arch, shape, {}, fault), chooseAttendLayout(shape, arch));
  CudaAttendLayout four = chooseAttendLayout(shape, arch);
  four.parts = 4;
  EXPECT_EQ(attendLayoutWith(arch, shape, {{"parts", 4}}, fault), four);
  EXPECT_EQ(fault, "");
  EXPECT_NE(describeAttend(shape, four).find(", 4 of 16 splits, "), std::string::npos) << describeAttend(shape, four);
  EXPECT_EQ(attendCost(shape, four, arch).rowBlocks, 8 * 4);
}

TEST(AttendTuning, FaultsSayWhatIsExpected) {
  const Arch &arch = *findArch("sm_90a");
  const std::tuple<const char *, std::vector<TunedNumber>, const char *> cases[] = {
      {"32x8x128,f16,16", {{"k_warps", 4}}, "unknown number 'k_warps'"},
      {"32x8x128,f16,16", {{"parts", 3}}, "parts 3: expected 1, 2, 4, 8, 16 on sm_90a"},
      {"32x8x128,f16,16", {{"parts", 32}}, "parts 32: expected 1, 2, 4, 8, 16 on sm_90a"},
      {"32x8x128,f16,16", {{"row_warps", 4}}, "row_warps 4: expected 0 on sm_90a"},
      {"32x8x128,f16,0", {{"row_warps", 3}}, "row_warps 3: expected 2, 4, 8 on sm_90a"},
      {"32x8x128,f16,0",
       {{"row_warps", 2}, {"warps", 4}},
       "warps 4: expected 1, 2 on sm_90a, with the numbers before"}};
  for (const auto &[key, numbers, expected] : cases) {
    std::string fault;
    EXPECT_EQ(attendLayoutWith(arch, shapeOf(key), numbers, fault), chooseAttendLayout(shapeOf(key), arch));
    EXPECT_NE(fault.find(expected), std::string::npos) << fault << "\n  not " << expected;
  }
}

} // namespace
} // namespace llmc
