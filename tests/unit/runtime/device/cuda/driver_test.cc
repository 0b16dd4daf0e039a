// The driver is found or refused with the case's name, and every error at every call ends in the right code, no leak.
#include "runtime/device/cuda/driver.h"

#include <gtest/gtest.h>

#include "runtime/device/cuda/buffer.h"
#include "runtime/device/cuda/graph.h"
#include "runtime/device/cuda/module.h"
#include "runtime/device/cuda/stream.h"
#include "tests/unit/runtime/device/cuda/scripted_driver.h"

namespace llmc::rt::cuda {
namespace {

using test::ScriptedDriver;

TEST(CudaDriver, SaysThatThereIsNone) {
  auto driver = Driver::open("/nowhere/libcuda.so.1");
  ASSERT_FALSE(driver);
  EXPECT_EQ(driver.status().code(), "CU_NO_DRIVER");
  EXPECT_EQ(exitStatus(driver.status().kind()), 69);
  EXPECT_NE(driver.status().message().find("/nowhere/libcuda.so.1"), std::string::npos);
}

TEST(CudaDriver, ALibraryWithoutItsEntryIsTooOld) {
  auto driver = Driver::open("libm.so.6");
  ASSERT_FALSE(driver);
  EXPECT_EQ(driver.status().code(), "CU_OLD_DRIVER");
  EXPECT_EQ(driver.status().message(),
            "libm.so.6 has no cuGetProcAddress: a stub of the toolkit or a driver before 11.3");
}

TEST(CudaDriver, NamesAMissingEntryAndTheDriversVersion) {
  ScriptedDriver scripted;
  scripted.script().hidden = "cuGraphInstantiateWithFlags";
  auto driver = Driver::open(ScriptedDriver::path());
  ASSERT_FALSE(driver);
  EXPECT_EQ(driver.status().code(), "CU_OLD_DRIVER");
  EXPECT_NE(driver.status().message().find("cuGraphInstantiateWithFlags of CUDA 11.4"), std::string::npos)
      << driver.status().message();
}

TEST(CudaDriver, KnowsAStubByWhatItSays) {
  ScriptedDriver scripted;
  scripted.script().hidden = "cuInit";
  scripted.script().hiddenCode = kCuStubLibrary;
  EXPECT_EQ(Driver::open(ScriptedDriver::path()).status().code(), "CU_STUB");
  scripted.reset();
  scripted.script().failAt = 1;
  scripted.script().failCode = kCuStubLibrary;
  EXPECT_EQ(Driver::open(ScriptedDriver::path()).status().code(), "CU_STUB");
}

TEST(CudaDriver, ADriverWithoutADeviceSaysSo) {
  ScriptedDriver scripted;
  scripted.script().devices = 0;
  EXPECT_EQ(Driver::open(ScriptedDriver::path()).status().code(), "CU_NO_DEVICE");
  scripted.reset();
  scripted.script().failAt = 1;
  scripted.script().failCode = kCuNoDevice;
  EXPECT_EQ(Driver::open(ScriptedDriver::path()).status().code(), "CU_NO_DEVICE");
}

TEST(CudaDriver, AStartThatFailsIsGivenInItsWords) {
  ScriptedDriver scripted;
  scripted.script().failAt = 1;
  scripted.script().failCode = 803;
  const Status status = Driver::open(ScriptedDriver::path()).takeStatus();
  EXPECT_EQ(status.code(), "CU_INIT");
  EXPECT_EQ(exitStatus(status.kind()), 69);
  EXPECT_NE(status.message().find("(803)"), std::string::npos);
}

void addOne(const uint64_t* words, const uint32_t*) { ++*reinterpret_cast<int32_t*>(words[0]); }

/// Everything that the wrappers can do, once.
Status useEverything() {
  auto driver = Driver::open(ScriptedDriver::path());
  LLMC_TRY(driver.status());
  auto context = Context::open(**driver, 0);
  LLMC_TRY(context.status());
  auto stream = Stream::create(**context);
  LLMC_TRY(stream.status());
  auto memory = DeviceBuffer::create(**context, 100, "a test");
  LLMC_TRY(memory.status());
  auto pinned = PinnedBuffer::create(**context, 100, "a test");
  LLMC_TRY(pinned.status());
  auto module = Module::load(**context, test::kScriptedImage);
  LLMC_TRY(module.status());
  auto kernel = module->kernel("addOne", 100u << 10);
  LLMC_TRY(kernel.status());
  auto start = Event::create(**context), end = Event::create(**context);
  LLMC_TRY(start.status());
  LLMC_TRY(end.status());
  const uint64_t words[] = {memory->address()};
  auto graph = Graph::capture(**stream, [&] {
    LLMC_TRY((*stream)->launch(*kernel, {.threads = 32, .sharedBytes = 100u << 10}, words));
    return (*stream)->launch(*kernel, {.threads = 32}, words);
  });
  LLMC_TRY(graph.status());
  LLMC_TRY((*stream)->record(*start));
  LLMC_TRY((*stream)->fill(memory->address(), 0, 100));
  LLMC_TRY(graph->launch(**stream));
  LLMC_TRY((*stream)->launch(*kernel, {.threads = 32}, words));
  LLMC_TRY((*stream)->copy(hostAddress(pinned->data()), memory->address(), 100));
  LLMC_TRY((*stream)->record(*end));
  LLMC_TRY(end->wait());
  auto milliseconds = end->millisecondsSince(*start);
  LLMC_TRY(milliseconds.status());
  LLMC_TRY((*stream)->synchronize());
  EXPECT_EQ(*reinterpret_cast<int32_t*>(pinned->data()), 3);
  EXPECT_GE(*milliseconds, 0);
  return Status::ok();
}

TEST(CudaDriver, EveryErrorAtEveryCallIsToldAndNothingLeaks) {
  ScriptedDriver scripted;
  scripted.addKernel("addOne", 1, addOne);
  const Status clean = useEverything();
  ASSERT_TRUE(clean) << clean.toString();
  ASSERT_EQ(scripted.alive(), 0u);
  const uint64_t calls = scripted.script().calls;
  ASSERT_GT(calls, 30u);
  uint64_t told = 0;
  for (const auto& [code, name, exit] : {std::tuple{2, "CU_MEMORY", 69},
                                         {209, "CU_NO_CODE", 78},
                                         {1, "CU_CALL", 71},
                                         {700, "CU_FAULT", 71},
                                         {46, "CU_FAULT", 71},
                                         {999, "CU_FAULT", 71}}) {
    for (uint64_t call = 1; call <= calls; ++call) {
      scripted.reset();
      scripted.addKernel("addOne", 1, addOne);
      scripted.script().failAt = call;
      scripted.script().failCode = code;
      const Status status = useEverything();
      EXPECT_EQ(scripted.alive(), 0u) << "call " << call << " code " << code;
      if (status) continue;  // while things are given back there is nobody to tell
      ++told;
      if (call == 1) {
        EXPECT_EQ(status.code(), "CU_INIT");
      } else {
        EXPECT_EQ(status.code(), name) << status.toString();
        EXPECT_EQ(exitStatus(status.kind()), exit);
      }
    }
  }
  EXPECT_GT(told, 6 * 25u);
}

TEST(CudaDriver, AFaultStays) {
  ScriptedDriver scripted;
  auto driver = Driver::open(ScriptedDriver::path()).take();
  auto context = Context::open(*driver, 0).take();
  auto stream = Stream::create(*context).take();
  scripted.script().failAt = scripted.script().calls + 1;
  scripted.script().failCode = 700;
  EXPECT_EQ(stream->synchronize().code(), "CU_FAULT");
  const uint64_t calls = scripted.script().calls;
  const Status again = DeviceBuffer::create(*context, 1, "a test").takeStatus();
  EXPECT_EQ(again.code(), "CU_FAULT");
  EXPECT_NE(again.message().find("cuStreamSynchronize says CUDA_ERROR_ILLEGAL_ADDRESS (700)"), std::string::npos)
      << again.message();
  EXPECT_EQ(scripted.script().calls, calls);  // the driver is not asked again
  EXPECT_FALSE(driver->fault());
}

}  // namespace
}  // namespace llmc::rt::cuda
