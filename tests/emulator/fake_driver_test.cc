// The runtime's driver wrappers on the fake libcuda.so.1: PTX kernels run, in order and only when waited for; what a
// driver refuses is refused.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "runtime/device/cuda/buffer.h"
#include "runtime/device/cuda/graph.h"
#include "runtime/device/cuda/module.h"
#include "runtime/device/cuda/stream.h"

namespace llmc::rt::cuda {
namespace {

/// y[i] = y[i] * factor + x[i]; one argument block, as our kernels have it.
constexpr const char* kPtx = R"(
.version 9.0
.target sm_80
.address_size 64
.visible .entry axpy(.param .align 8 .b8 axpy_param_0[24])
.maxntid 64, 1, 1
{
  .reg .pred %p<2>;
  .reg .f32 %f<5>;
  .reg .b32 %r<5>;
  .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [axpy_param_0];
  ld.param.u64 %rd2, [axpy_param_0+8];
  ld.param.f32 %f1, [axpy_param_0+16];
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.s32 %r4, %r1, %r2, %r3;
  mul.wide.s32 %rd3, %r4, 4;
  add.s64 %rd4, %rd1, %rd3;
  add.s64 %rd5, %rd2, %rd3;
  ld.global.f32 %f2, [%rd4];
  ld.global.f32 %f3, [%rd5];
  fma.rn.f32 %f4, %f2, %f1, %f3;
  st.global.f32 [%rd4], %f4;
  ret;
}
)";

struct AxpyArguments {
  uint64_t y, x;
  float factor;
  uint32_t padding = 0;
};

class FakeDriverTest : public ::testing::Test {
 protected:
  void SetUp() override { start({}); }
  void TearDown() override {
    stop();
    for (const std::string& name : set_) unsetenv(name.c_str());
  }

  void start(const std::vector<std::pair<std::string, std::string>>& environment) {
    stop();
    for (const auto& [name, value] : environment) {
      setenv(name.c_str(), value.c_str(), 1);
      set_.push_back(name);
    }
    auto driver = Driver::open(LLMC_FAKE_CUDA);
    ASSERT_TRUE(driver.isOk()) << driver.status().toString();
    driver_ = driver.take();
    context_ = Context::open(*driver_, 0).take();
    stream_ = Stream::create(*context_).take();
  }
  void stop() {
    stream_.reset();
    context_.reset();
    driver_.reset();
  }

  std::unique_ptr<Driver> driver_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Stream> stream_;
  std::vector<std::string> set_;
};

TEST_F(FakeDriverTest, KernelsRunWhenTheStreamIsWaitedFor) {
  auto module = Module::load(*context_, kPtx).take();
  auto y = DeviceBuffer::create(*context_, 1024, "y").take(), x = DeviceBuffer::create(*context_, 1024, "x").take();
  auto pinned = PinnedBuffer::create(*context_, 1024, "values").take();
  auto* values = reinterpret_cast<float*>(pinned.data());
  for (int i = 0; i < 256; ++i) values[i] = (float)i;
  ASSERT_TRUE(stream_->copy(y.address(), hostAddress(values), 1024));
  ASSERT_TRUE(stream_->copy(x.address(), hostAddress(values), 1024));
  AxpyArguments arguments{y.address(), x.address(), 2.0f};
  ASSERT_TRUE(stream_->launch(*module.kernel("axpy", 0), {{4, 1, 1}, 64, 0}, &arguments));
  arguments.factor = 99;  // the launch has its own copy
  ASSERT_TRUE(stream_->copy(hostAddress(values), y.address(), 1024));
  EXPECT_EQ(values[3], 3.0f) << "nothing may have run yet";
  ASSERT_TRUE(stream_->synchronize());
  for (int i = 0; i < 256; ++i) ASSERT_EQ(values[i], 3.0f * (float)i);
}

TEST_F(FakeDriverTest, AKernelThatStartsEarlyMustWait) {
  auto module = Module::load(*context_, kPtx).take();
  auto y = DeviceBuffer::create(*context_, 256, "y").take();
  AxpyArguments arguments{y.address(), y.address(), 2.0f};
  ASSERT_TRUE(stream_->launch(*module.kernel("axpy", 0), {{1, 1, 1}, 64, 0, true}, &arguments));
  EXPECT_EQ(stream_->synchronize().code(), "CU_FAULT");
}

TEST_F(FakeDriverTest, GraphsReplayWhatWasRecorded) {
  auto module = Module::load(*context_, kPtx).take();
  auto y = DeviceBuffer::create(*context_, 256, "y").take(), x = DeviceBuffer::create(*context_, 256, "x").take();
  std::vector<float> ones(64, 1.0f), result(64);
  ASSERT_TRUE(stream_->copy(y.address(), hostAddress(ones.data()), 256));
  ASSERT_TRUE(stream_->copy(x.address(), hostAddress(ones.data()), 256));
  auto graph = Graph::capture(*stream_, [&] {
    AxpyArguments arguments{y.address(), x.address(), 2.0f};
    return stream_->launch(*module.kernel("axpy", 0), {{1, 1, 1}, 64, 0}, &arguments);
  });
  ASSERT_TRUE(graph.isOk());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(graph->launch(*stream_));
  ASSERT_TRUE(stream_->copy(hostAddress(result.data()), y.address(), 256));
  EXPECT_EQ(result[63], 15.0f) << "1, 3, 7, 15; pageable memory is written before the copy returns";
}

TEST_F(FakeDriverTest, WaitingForARecordedStreamBreaksTheRecording) {
  auto graph = Graph::capture(*stream_, [&] { return stream_->synchronize(); });
  EXPECT_FALSE(graph.isOk());
}

TEST_F(FakeDriverTest, LaunchesThatADriverRefuses) {
  auto module = Module::load(*context_, kPtx).take();
  CuFunction kernel = *module.kernel("axpy", 0);
  AxpyArguments arguments{};
  EXPECT_FALSE(stream_->launch(kernel, {{1, 1, 1}, 65, 0}, &arguments)) << "compiled for 64 threads";
  EXPECT_FALSE(stream_->launch(kernel, {{0, 1, 1}, 64, 0}, &arguments));
  EXPECT_FALSE(stream_->launch(kernel, {{1, 1, 1}, 64, 49 << 10}, &arguments)) << "more than 48 KiB was not asked for";
  EXPECT_TRUE(module.kernel("axpy", 100 << 10).isOk());
  EXPECT_FALSE(module.kernel("nothing", 0).isOk());
}

/// A kernel's own shared memory counts, too: of the 48 KiB that any launch may have, and of what the device has.
TEST_F(FakeDriverTest, SharedMemoryOfBothKindsHasOneLimit) {
  start({{"LLMC_EMULATOR_SM", "8.6"}});
  std::string text = kPtx;
  text.insert(text.find("  .reg .pred"), "  .shared .align 4 .b8 own[2048];\n");
  auto module = Module::load(*context_, text.c_str()).take();
  AxpyArguments arguments{};
  EXPECT_FALSE(stream_->launch(*module.kernel("axpy", 47 << 10), {{1, 1, 1}, 64, 47 << 10}, &arguments));
  EXPECT_TRUE(stream_->launch(*module.kernel("axpy", 47 << 10, 2048), {{1, 1, 1}, 64, 47 << 10}, &arguments));
  EXPECT_TRUE(module.kernel("axpy", 97 << 10, 2048).isOk());
  EXPECT_EQ(module.kernel("axpy", 98 << 10, 2048).status().code(), "CU_SHARED");
  EXPECT_EQ(module.kernel("axpy", 98 << 10).status().code(), "CU_CALL") << "the driver knows what the plan does not";
}

TEST_F(FakeDriverTest, ImagesThatADriverRefuses) {
  EXPECT_FALSE(Module::load(*context_, "neither cubin nor PTX").isOk());
  std::string newer = kPtx;
  newer.replace(newer.find("sm_80"), 5, "sm_100");
  auto module = Module::load(*context_, newer.c_str());
  ASSERT_FALSE(module.isOk());
  EXPECT_EQ(module.status().code(), "CU_NO_CODE");
}

TEST_F(FakeDriverTest, MemoryHasASize) {
  start({{"LLMC_EMULATOR_MEMORY", "1000000"}});
  EXPECT_EQ(context_->memory()->total, 1000000u);
  auto half = DeviceBuffer::create(*context_, 600000, "half");
  ASSERT_TRUE(half.isOk());
  auto more = DeviceBuffer::create(*context_, 600000, "more");
  ASSERT_FALSE(more.isOk());
  EXPECT_EQ(more.status().code(), "CU_MEMORY");
  EXPECT_LT(context_->memory()->free, 400001u);
}

TEST_F(FakeDriverTest, CopiesStayInTheirBuffers) {
  auto buffer = DeviceBuffer::create(*context_, 100, "buffer").take();
  std::vector<uint8_t> host(200);
  EXPECT_FALSE(stream_->copy(buffer.address(), hostAddress(host.data()), 101));
  EXPECT_FALSE(stream_->fill(buffer.address(), 0, 101));
  EXPECT_TRUE(stream_->fill(buffer.address(), 0, 100));
}

TEST_F(FakeDriverTest, AWildAccessIsAFaultThatStays) {
  auto module = Module::load(*context_, kPtx).take();
  auto y = DeviceBuffer::create(*context_, 256, "y").take();
  AxpyArguments arguments{y.address(), y.address() + 4096, 2.0f};
  ASSERT_TRUE(stream_->launch(*module.kernel("axpy", 0), {{1, 1, 1}, 64, 0}, &arguments));
  Status status = stream_->synchronize();
  ASSERT_FALSE(status.isOk());
  EXPECT_EQ(status.code(), "CU_FAULT") << status.toString();
  EXPECT_NE(status.message().find("ILLEGAL_ADDRESS"), std::string::npos) << status.message();
  EXPECT_FALSE(stream_->fill(y.address(), 0, 4).isOk()) << "every later call fails";
}

TEST_F(FakeDriverTest, CheckedLaunchesSeeWhatGuardPagesDoNot) {
  start({{"LLMC_EMULATOR_CHECK", "1"}});
  auto module = Module::load(*context_, kPtx).take();
  // 200 bytes are used, 256 are there: only the checked build knows.
  auto y = DeviceBuffer::create(*context_, 200, "y").take();
  AxpyArguments arguments{y.address(), y.address(), 2.0f};
  ASSERT_TRUE(stream_->launch(*module.kernel("axpy", 0), {{1, 1, 1}, 64, 0}, &arguments));
  EXPECT_FALSE(stream_->synchronize().isOk());
}

TEST_F(FakeDriverTest, ChosenCallsFail) {
  start({{"LLMC_EMULATOR_FAIL", "cuMemAlloc:2:2,cuLaunchKernelEx:1:719"}});
  EXPECT_TRUE(DeviceBuffer::create(*context_, 100, "first").isOk());
  auto second = DeviceBuffer::create(*context_, 100, "second");
  ASSERT_FALSE(second.isOk());
  EXPECT_EQ(second.status().code(), "CU_MEMORY");
  EXPECT_TRUE(DeviceBuffer::create(*context_, 100, "third").isOk());
  auto module = Module::load(*context_, kPtx).take();
  AxpyArguments arguments{};
  Status status = stream_->launch(*module.kernel("axpy", 0), {{1, 1, 1}, 64, 0}, &arguments);
  EXPECT_EQ(status.code(), "CU_FAULT");
}

/// A misspelled name would never fail, and a test of what follows pass.
TEST_F(FakeDriverTest, FailuresOfWhatIsNotThereAreRefused) {
  const auto refused = [&](const char* failure) { start({{"LLMC_EMULATOR_FAIL", failure}}); };
  const std::string found = "fake CUDA driver: \\$LLMC_EMULATOR_FAIL is '";
  EXPECT_EXIT(refused("cuMemAlloc:1:2,cuMemAloc:1:2"), testing::ExitedWithCode(64),
              found + "cuMemAloc:1:2', expected one of cuInit, cuDriverGetVersion, .*cuMemAlloc, .*cuGraphDestroy\n");
  for (const char* wrong : {"cuMemAlloc", "cuMemAlloc:0:2", "cuMemAlloc:1:2x", "cuMemAlloc:1"})
    EXPECT_EXIT(refused(wrong), testing::ExitedWithCode(64), found + wrong + "', expected function:n:code, n from 1");
}

TEST_F(FakeDriverTest, CallsThatWorkInAnyStateFailWhereAsked) {
  stop();
  setenv("LLMC_EMULATOR_FAIL", "cuDriverGetVersion:1:999,cuGetErrorName:1:999", 1);
  const auto driver = Driver::open(LLMC_FAKE_CUDA);
  unsetenv("LLMC_EMULATOR_FAIL");
  ASSERT_FALSE(driver.isOk());
  EXPECT_NE(driver.status().message().find("cuDriverGetVersion says error (999): unknown error"), std::string::npos)
      << driver.status().message();
}

TEST_F(FakeDriverTest, TheDeviceCanBeAnotherOne) {
  start({{"LLMC_EMULATOR_SM", "8.6"}});
  EXPECT_EQ(context_->facts().major, 8);
  EXPECT_EQ(context_->facts().minor, 6);
  EXPECT_EQ(context_->facts().sharedBytes, 99u << 10);
}

TEST_F(FakeDriverTest, WhatIsBehindAnEventHasNotRun) {
  auto device = DeviceBuffer::create(*context_, 256, "device").take();
  auto first = PinnedBuffer::create(*context_, 256, "first").take();
  auto second = PinnedBuffer::create(*context_, 256, "second").take();
  Event done = Event::create(*context_).take();
  first.data()[0] = second.data()[0] = 7;
  ASSERT_TRUE(stream_->fill(device.address(), 1, 256));
  ASSERT_TRUE(stream_->copy(hostAddress(first.data()), device.address(), 256));
  ASSERT_TRUE(stream_->record(done));
  ASSERT_TRUE(stream_->fill(device.address(), 2, 256));
  ASSERT_TRUE(stream_->copy(hostAddress(second.data()), device.address(), 256));
  EXPECT_EQ(first.data()[0], 0xff) << "a copy that has not run leaves nothing to read";
  ASSERT_TRUE(done.wait());
  EXPECT_EQ(first.data()[0], 1);
  EXPECT_EQ(second.data()[0], 0xff) << "nobody has waited for it";
  ASSERT_TRUE(stream_->synchronize());
  EXPECT_EQ(second.data()[0], 2);
}

TEST_F(FakeDriverTest, PinnedMemoryThatChangesBeforeItsCopyIsAFault) {
  auto device = DeviceBuffer::create(*context_, 256, "device").take();
  auto host = PinnedBuffer::create(*context_, 256, "host").take();
  ASSERT_TRUE(stream_->copy(device.address(), hostAddress(host.data()), 256));
  ASSERT_TRUE(stream_->synchronize());
  host.data()[200] = 1;  // its turn has been
  ASSERT_TRUE(stream_->copy(device.address(), hostAddress(host.data()), 256));
  host.data()[200] = 2;
  EXPECT_EQ(stream_->synchronize().code(), "CU_FAULT");
}

TEST_F(FakeDriverTest, EventsAreReachedInOrder) {
  Event start = Event::create(*context_).take(), end = Event::create(*context_).take();
  ASSERT_TRUE(stream_->record(start));
  ASSERT_TRUE(stream_->record(end));
  EXPECT_FALSE(end.millisecondsSince(start).isOk()) << "nobody has waited";
}

}  // namespace
}  // namespace llmc::rt::cuda
