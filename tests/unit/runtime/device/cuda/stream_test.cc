// Copies, kernels and events run in order, and only then.
#include "runtime/device/cuda/stream.h"

#include <gtest/gtest.h>

#include "runtime/device/cuda/buffer.h"
#include "runtime/device/cuda/module.h"
#include "tests/unit/runtime/device/cuda/scripted_device.h"

namespace llmc::rt::cuda {
namespace {

void triple(const uint64_t* words, const uint32_t* grid) {
  for (uint32_t i = 0; i < grid[0]; ++i) reinterpret_cast<uint8_t*>(words[0])[i] *= static_cast<uint8_t>(words[1]);
}

TEST(CudaStream, RunsInOrderUntilWaitedFor) {
  test::ScriptedDevice device;
  device.scripted.addKernel("triple", 2, triple);
  auto module = Module::load(*device.context, test::kScriptedImage).take();
  auto memory = DeviceBuffer::create(*device.context, 64, "a test").take();
  auto pinned = PinnedBuffer::create(*device.context, 64, "a test").take();
  uint64_t words[] = {memory.address(), 3};
  ASSERT_TRUE(device.stream->fill(memory.address(), 5, 64));
  ASSERT_TRUE(device.stream->launch(*module.kernel("triple", 0), {{7, 1, 1}, 32, 0}, words));
  words[1] = 100;  // the launch has its own copy
  ASSERT_TRUE(device.stream->copy(hostAddress(pinned.data()), memory.address(), 64));
  ASSERT_TRUE(device.stream->synchronize());
  EXPECT_EQ(pinned.data()[6], 15);
  EXPECT_EQ(pinned.data()[7], 5);
}

TEST(CudaStream, NothingToCopyIsNoCall) {
  test::ScriptedDevice device;
  const uint64_t calls = device.scripted.script().calls;
  EXPECT_TRUE(device.stream->copy(1, 2, 0));
  EXPECT_TRUE(device.stream->fill(1, 2, 0));
  EXPECT_EQ(device.scripted.script().calls, calls);
}

TEST(CudaStream, EventsAreReachedInOrder) {
  test::ScriptedDevice device;
  Event start = Event::create(*device.context).take(), end = Event::create(*device.context).take();
  ASSERT_TRUE(device.stream->record(start));
  ASSERT_TRUE(device.stream->record(end));
  ASSERT_TRUE(end.wait());
  auto milliseconds = end.millisecondsSince(start);
  ASSERT_TRUE(milliseconds);
  EXPECT_GE(*milliseconds, 0);
}

}  // namespace
}  // namespace llmc::rt::cuda
