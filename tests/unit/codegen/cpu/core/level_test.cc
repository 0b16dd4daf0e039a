// The table of CPU levels agrees with the dialect's and the runtime's.
#include "codegen/cpu/Level.h"
#include "dialects/Kern/Levels.h"
#include "runtime/device/cpu_features.h"

#include "gtest/gtest.h"

namespace llmc {
namespace {

TEST(Level, NamesAreThoseOfTheDialect) {
  llvm::ArrayRef<llvm::StringRef> names = kern::levelNames();
  ASSERT_EQ(names.size(), cpuLevels().size());
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(names[i], cpuLevels()[i].name);
    EXPECT_EQ(kern::levelHasVnni(names[i]), cpuLevels()[i].vnni) << names[i].str();
    EXPECT_EQ(findLevel(names[i]), &cpuLevels()[i]);
  }
  EXPECT_EQ(findLevel("x86-64-v2"), nullptr);
}

TEST(Level, TheRuntimeKnowsEachOne) {
  rt::CpuFeatures all{true, true, true, true, true, true};
  for (const Level &level : cpuLevels())
    EXPECT_TRUE(rt::supportsLevel(level.name.str(), all)) << level.name.str();
}

TEST(Level, InstructionSetsAreTheLevelsThatDifferInMoreThanATable) {
  const Level &zen4 = *findLevel("x86-64-v4-vnni-bf16"), &zen5 = *findLevel("x86-64-v4-vnni-bf16-vp2intersect");
  EXPECT_TRUE(zen5.sameInstructions(zen4));
  EXPECT_FALSE(zen4.sameInstructions(*findLevel("x86-64-v4-vnni")));
  EXPECT_EQ(instructionSets().size() + 1, cpuLevels().size());
  EXPECT_EQ(&instructionSets().back(), &zen4);
}

TEST(Level, RegistersFollowAvx512) {
  for (const Level &level : cpuLevels())
    EXPECT_EQ(level.vectorBytes(), level.avx512 ? 64 : 32);
}

} // namespace
} // namespace llmc
