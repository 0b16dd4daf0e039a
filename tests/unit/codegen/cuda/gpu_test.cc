// Every architecture has a GPU to predict by.
#include "codegen/cuda/Gpu.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

TEST(GpuTest, EachArchitectureHasItsOwn) {
  for (const Arch &arch : cudaArchs()) {
    const Gpu &gpu = gpuOf(arch);
    EXPECT_EQ(gpu.arch, arch.name);
    EXPECT_GT(gpu.l2GBs, gpu.memoryGBs) << gpu.device.str();
    EXPECT_LT(arch.sharedBytesMax, gpu.sharedBytes) << "a block has no more than its multiprocessor";
    EXPECT_GE(gpu.threads, 1024);
  }
}

TEST(GpuTest, AnUnknownOneGetsTheFirst) {
  Arch other = *findArch("sm_90a");
  other.name = "sm_90";
  EXPECT_EQ(gpuOf(other).arch, "sm_80");
}

} // namespace
} // namespace llmc
