// The runtime names the architectures that the compiler knows.
#include "codegen/cuda/Arch.h"
#include "runtime/exec/cuda/level_choice.h"
#include <gtest/gtest.h>

using namespace llmc;

namespace {

TEST(TargetArchs, EachIsWhatItsOwnDeviceIsToldToBuildFor) {
  for (const Arch& arch : cudaArchs())
    EXPECT_EQ(rt::cuda::archFor(arch.major, arch.minor), std::string_view(arch.name));
  EXPECT_EQ(rt::cuda::archFor(99, 0), std::string_view(cudaArchs().back().name));
  EXPECT_EQ(rt::cuda::archFor(7, 9), "");
}

}  // namespace
