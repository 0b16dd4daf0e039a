// What --target takes, and that the runtime names the architectures that the compiler knows.
#include "compiler/tools/TargetFlag.h"

#include "codegen/cuda/Arch.h"
#include "runtime/exec/cuda/level_choice.h"
#include <gtest/gtest.h>

using namespace llmc;

namespace {

TEST(TargetFlag, ArchitecturesComeInOurOrderEachOnce) {
  auto targets = parseTarget("cuda:sm_90a,sm_80,sm_90a,cpu");
  ASSERT_TRUE(targets.isOk()) << targets.status().toString();
  EXPECT_TRUE(targets->cpu);
  EXPECT_EQ(targets->archs, (std::vector<std::string>{"sm_80", "sm_90a"}));
  EXPECT_EQ(targets->notice, "");
  EXPECT_FALSE(parseTarget("cuda:sm_75").isOk());
}

TEST(TargetFlag, EachArchitectureIsWhatItsOwnDeviceIsToldToBuildFor) {
  for (const Arch& arch : cudaArchs())
    EXPECT_EQ(rt::cuda::archFor(arch.major, arch.minor), std::string_view(arch.name));
  EXPECT_EQ(rt::cuda::archFor(99, 0), std::string_view(cudaArchs().back().name));
  EXPECT_EQ(rt::cuda::archFor(7, 9), "");
}

}  // namespace
