// Code that the driver takes, code that it does not, kernels that are not there or too large.
#include "runtime/device/cuda/module.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/device/cuda/scripted_device.h"

namespace llmc::rt::cuda {
namespace {

void nothing(const uint64_t*, const uint32_t*) {}

TEST(CudaModule, RefusesCodeOfAnotherKind) {
  test::ScriptedDevice device;
  auto module = Module::load(*device.context, "not code");
  ASSERT_FALSE(module);
  EXPECT_EQ(module.status().code(), "CU_NO_CODE");
  EXPECT_EQ(exitStatus(module.status().kind()), 78);
  EXPECT_NE(module.status().message().find("for CUDA 13.0"), std::string::npos);
}

TEST(CudaModule, NamesAKernelThatIsNotThere) {
  test::ScriptedDevice device;
  auto module = Module::load(*device.context, test::kScriptedImage).take();
  auto kernel = module.kernel("linear_8x8", 0);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.status().code(), "CU_CALL");
  EXPECT_NE(kernel.status().message().find("kernel linear_8x8"), std::string::npos);
}

TEST(CudaModule, AsksForSharedMemoryThatTheDeviceHas) {
  test::ScriptedDevice device;
  device.scripted.addKernel("nothing", 0, nothing);
  auto module = Module::load(*device.context, test::kScriptedImage).take();
  const auto small = module.kernel("nothing", 48u << 10);
  ASSERT_TRUE(small);
  EXPECT_TRUE(device.stream->launch(*small, {.threads = 32, .sharedBytes = 48u << 10}, nullptr));
  EXPECT_FALSE(device.stream->launch(*small, {.threads = 32, .sharedBytes = 200u << 10}, nullptr));
  ASSERT_TRUE(module.kernel("nothing", 200u << 10));
  EXPECT_TRUE(device.stream->launch(*small, {.threads = 32, .sharedBytes = 200u << 10}, nullptr));
  auto large = module.kernel("nothing", 228u << 10);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.status().code(), "CU_SHARED");
  EXPECT_NE(large.status().message().find("228.0 KiB"), std::string::npos);
}

/// 48 KiB are for both kinds together, and so is what the device has.
TEST(CudaModule, CountsTheMemoryThatAKernelDeclares) {
  test::ScriptedDevice device;
  device.scripted.addKernel("nothing", 0, nothing);
  auto module = Module::load(*device.context, test::kScriptedImage).take();
  const uint64_t calls = device.scripted.script().calls;
  ASSERT_TRUE(module.kernel("nothing", 40u << 10, 8u << 10));
  EXPECT_EQ(device.scripted.script().calls, calls + 1);  // the look-up alone
  ASSERT_TRUE(module.kernel("nothing", 40u << 10, 9u << 10));
  EXPECT_EQ(device.scripted.script().calls, calls + 3);  // asks for 40 KiB
  auto large = module.kernel("nothing", 220u << 10, 8u << 10);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.status().code(), "CU_SHARED");
  EXPECT_NE(large.status().message().find("228.0 KiB"), std::string::npos);
}

}  // namespace
}  // namespace llmc::rt::cuda
