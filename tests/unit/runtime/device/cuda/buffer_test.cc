// Memory on both sides: sizes, moves, and refusals with numbers.
#include "runtime/device/cuda/buffer.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/device/cuda/scripted_device.h"

namespace llmc::rt::cuda {
namespace {

TEST(CudaBuffer, MovesAndIsGivenBackOnce) {
  test::ScriptedDevice device;
  const uint64_t before = device.scripted.alive();
  {
    DeviceBuffer first = DeviceBuffer::create(*device.context, 1000, "a test").take();
    const CuAddress address = first.address();
    EXPECT_EQ(address % 256, 0u);
    EXPECT_EQ(first.size(), 1000u);
    DeviceBuffer second = std::move(first);
    EXPECT_EQ(second.address(), address);
    DeviceBuffer third = DeviceBuffer::create(*device.context, 1, "a test").take();
    third = std::move(second);
    EXPECT_EQ(third.address(), address);
    PinnedBuffer pinned = PinnedBuffer::create(*device.context, 10, "a test").take();
    PinnedBuffer other = std::move(pinned);
    std::fill_n(other.data(), 10, uint8_t{1});
  }
  EXPECT_EQ(device.scripted.alive(), before);
}

TEST(CudaBuffer, RefusalNamesSizePurposeAndWhatIsFree) {
  test::ScriptedDevice device;
  auto buffer = DeviceBuffer::create(*device.context, uint64_t{3} << 30, "the KV cache");
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.status().code(), "CU_MEMORY");
  EXPECT_EQ(exitStatus(buffer.status().kind()), 69);
  EXPECT_EQ(buffer.status().message(),
            "cannot get 3.00 GiB of device memory for the KV cache: 1.00 GiB of 2.00 GiB are free on cuda:0 (Scripted "
            "GPU)");
}

TEST(CudaBuffer, PinnedRefusalNamesSizeAndPurpose) {
  test::ScriptedDevice device;
  device.scripted.script().failAt = device.scripted.script().calls + 1;
  device.scripted.script().failCode = kCuOutOfMemory;
  auto buffer = PinnedBuffer::create(*device.context, 5 << 20, "logits");
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.status().code(), "CU_MEMORY");
  EXPECT_NE(buffer.status().message().find("cannot pin 5.00 MiB of host memory for logits"), std::string::npos);
}

}  // namespace
}  // namespace llmc::rt::cuda
