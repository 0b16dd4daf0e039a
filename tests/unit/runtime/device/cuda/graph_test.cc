// What is captured runs at each launch and not before; a capture that fails leaves the stream usable.
#include "runtime/device/cuda/graph.h"

#include <gtest/gtest.h>

#include "runtime/device/cuda/buffer.h"
#include "tests/unit/runtime/device/cuda/scripted_device.h"

namespace llmc::rt::cuda {
namespace {

TEST(CudaGraph, RunsWhatWasCapturedAtEachLaunch) {
  test::ScriptedDevice device;
  auto memory = DeviceBuffer::create(*device.context, 64, "a test").take();
  auto pinned = PinnedBuffer::create(*device.context, 64, "a test").take();
  auto graph = Graph::capture(*device.stream,
                              [&] { return device.stream->copy(memory.address(), hostAddress(pinned.data()), 32); });
  ASSERT_TRUE(graph) << graph.status().toString();
  std::fill_n(pinned.data(), 64, uint8_t{1});
  for (int round = 0; round < 2; ++round) {
    pinned.data()[0] = static_cast<uint8_t>(round + 7);
    ASSERT_TRUE(graph->launch(*device.stream));
    ASSERT_TRUE(device.stream->copy(hostAddress(pinned.data() + 32), memory.address(), 32));
    ASSERT_TRUE(device.stream->synchronize());
    EXPECT_EQ(pinned.data()[32], round + 7);
  }
}

TEST(CudaGraph, AFailedCaptureIsEnded) {
  test::ScriptedDevice device;
  const uint64_t alive = device.scripted.alive();
  auto graph = Graph::capture(*device.stream, [] { return Status::error(ErrorKind::kInternal, "TEST", "no"); });
  ASSERT_FALSE(graph);
  EXPECT_EQ(graph.status().code(), "TEST");
  EXPECT_EQ(device.scripted.alive(), alive);
  EXPECT_TRUE(device.stream->synchronize());  // refused by the driver while something is captured
}

}  // namespace
}  // namespace llmc::rt::cuda
