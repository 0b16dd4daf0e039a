// The table of architectures.
#include "codegen/cuda/Arch.h"

#include <gtest/gtest.h>

using namespace llmc;

namespace {

TEST(ArchTest, NamesAgreeWithNumbers) {
  ASSERT_EQ(cudaArchs().size(), 6u);
  int last = 0;
  for (const Arch &arch : cudaArchs()) {
    const int number = arch.major * 10 + arch.minor;
    EXPECT_TRUE(arch.name.starts_with("sm_" + std::to_string(number))) << arch.name.str();
    EXPECT_GT(number, last);
    last = number;
    EXPECT_EQ(findArch(arch.name), &arch);
    EXPECT_EQ(arch.wgmma, arch.name == "sm_90a");
    EXPECT_GT(arch.sharedBytesMax, 48 * 1024);
  }
}

TEST(ArchTest, OthersAreNotFound) {
  EXPECT_EQ(findArch("sm_75"), nullptr);
  EXPECT_EQ(findArch("sm_90"), nullptr); // its cubins lack wgmma: the a-variant is what we make
  EXPECT_EQ(findArch(""), nullptr);
}

} // namespace
