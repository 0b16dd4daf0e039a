// Kernels of a plan are found once each, and what is missing is named.
#include "runtime/exec/cuda/device_code.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/exec/cuda/fake_cuda_engine.h"

namespace llmc::rt::cuda {
namespace {

TEST(DeviceCode, LoadsEachCubinOnceAndEachKernel) {
  test::ScriptedDevice device;
  test::FakeCudaEngine engine(device.scripted);
  int loads = 0;
  auto code = DeviceCode::load(*device.context, engine.plan(), 0, [&](uint64_t) {
    ++loads;
    return test::kScriptedImage;
  });
  ASSERT_TRUE(code) << code.status().toString();
  EXPECT_EQ(loads, 6);  // offsets of the plan
  EXPECT_NE(code->function(2, 0), code->function(2, 1));
}

TEST(DeviceCode, NamesTheKernelWithoutCode) {
  test::ScriptedDevice device;
  test::FakeCudaEngine engine(device.scripted);
  const auto refusal = [&](const char* image) {
    return DeviceCode::load(*device.context, engine.plan(), 0,
                            [&](uint64_t offset) { return offset == 64 ? image : test::kScriptedImage; })
        .takeStatus();
  };
  EXPECT_EQ(refusal(nullptr).code(), "RT_PLAN");
  EXPECT_EQ(refusal("other code").code(), "CU_NO_CODE");
  EXPECT_NE(refusal("other code").message().find("kernel attend"), std::string::npos);
}

TEST(DeviceCode, NamesTheKernelThatItsCubinLacks) {
  test::ScriptedDevice device;
  test::FakeCudaEngine engine(device.scripted);
  device.scripted.reset();  // forgets the kernels
  device.scripted.script().failAt = 0;
  auto code = DeviceCode::load(*device.context, engine.plan(), 0, [](uint64_t) { return test::kScriptedImage; });
  ASSERT_FALSE(code);
  EXPECT_NE(code.status().message().find("kernel write_kv"), std::string::npos);
}

}  // namespace
}  // namespace llmc::rt::cuda
