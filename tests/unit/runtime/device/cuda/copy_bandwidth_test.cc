// A rate is measured, its memory is given back, and faults are told.
#include "runtime/device/cuda/copy_bandwidth.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/device/cuda/scripted_device.h"

namespace llmc::rt::cuda {
namespace {

TEST(CopyBandwidth, CountsBytesReadAndWritten) {
  test::ScriptedDevice device;
  const uint64_t alive = device.scripted.alive(), copies = device.scripted.script().copies;
  auto rate = measureCopyBandwidth(*device.stream, 8 << 20, 3);
  ASSERT_TRUE(rate) << rate.status().toString();
  EXPECT_GT(*rate, 1e7);
  EXPECT_LT(*rate, 1e13);
  EXPECT_EQ(device.scripted.script().copies, copies + 3);
  EXPECT_EQ(device.scripted.alive(), alive);
}

TEST(CopyBandwidth, TakesAQuarterOfLittleMemory) {
  test::ScriptedDevice device;
  device.scripted.script().freeBytes = 1 << 20;
  EXPECT_TRUE(measureCopyBandwidth(*device.stream));
}

TEST(CopyBandwidth, TellsAFault) {
  test::ScriptedDevice device;
  device.scripted.script().failAt = device.scripted.script().calls + 9;
  device.scripted.script().failCode = 719;
  EXPECT_EQ(measureCopyBandwidth(*device.stream, 4096).status().code(), "CU_FAULT");
}

}  // namespace
}  // namespace llmc::rt::cuda
