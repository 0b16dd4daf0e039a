// Tests of the list of CPU levels.
#include "dialects/Kern/Levels.h"

#include <gtest/gtest.h>

namespace llmc::kern {
namespace {

TEST(Levels, KnowsItsNamesOnly) {
  for (llvm::StringRef name : levelNames()) EXPECT_TRUE(isLevelName(name));
  EXPECT_FALSE(isLevelName("x86-64-v2"));
  EXPECT_FALSE(isLevelName(""));
}

TEST(Levels, VnniDecidesTheBiasWord) {
  EXPECT_FALSE(levelHasVnni("x86-64-v3"));
  EXPECT_TRUE(levelHasVnni("x86-64-v3-avxvnni"));
  EXPECT_FALSE(levelHasVnni("x86-64-v4"));
  EXPECT_TRUE(levelHasVnni("x86-64-v4-vnni"));
  EXPECT_TRUE(levelHasVnni("x86-64-v4-vnni-bf16"));
  EXPECT_TRUE(levelHasVnni("x86-64-v4-vnni-bf16-vp2intersect"));
}

}  // namespace
}  // namespace llmc::kern
