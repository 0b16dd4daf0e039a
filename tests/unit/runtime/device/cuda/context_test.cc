// A device's facts, and devices that are not there.
#include "runtime/device/cuda/context.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/runtime/device/cuda/scripted_device.h"

namespace llmc::rt::cuda {
namespace {

TEST(CudaContext, KnowsItsDevice) {
  test::ScriptedDevice device;
  EXPECT_EQ(device.context->facts().name, "Scripted GPU");
  EXPECT_EQ(device.context->facts().major, 9);
  EXPECT_EQ(device.context->facts().sharedBytes, 227u << 10);
  auto memory = device.context->memory();
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->free, uint64_t{1} << 30);
  EXPECT_EQ(memory->total, uint64_t{2} << 30);
}

TEST(CudaContext, RefusesADeviceThatIsNotThereWithTheCount) {
  test::ScriptedDevice device;
  for (const int ordinal : {1, 7, -1}) {
    auto context = Context::open(*device.driver, ordinal);
    ASSERT_FALSE(context);
    EXPECT_EQ(context.status().code(), "CU_NO_DEVICE");
    EXPECT_NE(context.status().message().find("cuda:" + std::to_string(ordinal)), std::string::npos);
    EXPECT_NE(context.status().message().find("the driver finds 1"), std::string::npos);
  }
}

TEST(CudaContext, ServesOtherThreads) {
  test::ScriptedDevice device;
  Status status;
  std::thread([&] { status = device.context->makeCurrent(); }).join();
  EXPECT_TRUE(status);
}

}  // namespace
}  // namespace llmc::rt::cuda
