// What arrives on the device is the batch, packed: pointers of the device, rows as long as needed, zeros behind.
#include "runtime/exec/cuda/device_batch.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/device/cuda/scripted_device.h"

namespace llmc::rt::cuda {
namespace {

TEST(DeviceBatch, ArrivesWhole) {
  test::ScriptedDevice device;
  const StepLimits limits{64, 16, 4, 1000};
  BatchBuilder builder(limits, 100, 80);
  DeviceBatch sent = DeviceBatch::create(*device.context, limits, Numerics::kFast).take();
  const std::vector<int32_t> pagesA = {4, 5, 6}, pagesB = {7};
  // A larger step first, so that what it leaves behind would show.
  for (const uint32_t tokens : {40u, 3u}) {
    std::vector<int32_t> ids(tokens, 77);
    const StepSequence step[] = {{ids, pagesA, 0, RowChoice::kLast, {}},
                                 {std::span(ids).first(1), pagesB, 9, RowChoice::kLast, {}}};
    ASSERT_TRUE(builder.build(step));
    ASSERT_TRUE(sent.send(*device.stream, builder.batch()));
    ASSERT_TRUE(device.stream->synchronize());
    device.scripted.openMemory(true);
    const Batch& host = builder.batch();
    const Batch& there = *reinterpret_cast<const Batch*>(sent.address());
    EXPECT_EQ(there.tokens, static_cast<int32_t>(tokens) + 1);
    EXPECT_EQ(there.rows, 2);
    EXPECT_EQ(there.sequences, 2);
    EXPECT_EQ(there.blockStride, tokens == 40 ? 3 : 1);
    for (auto member : {&Batch::tokenIds, &Batch::positions, &Batch::slots, &Batch::tokenSeq}) {
      EXPECT_TRUE(std::equal(host.*member, host.*member + host.tokens, there.*member));
      for (int i = 0; i < 16; ++i) EXPECT_EQ((there.*member)[host.tokens + i], 0);
    }
    EXPECT_TRUE(std::equal(host.queryStarts, host.queryStarts + 3, there.queryStarts));
    EXPECT_TRUE(std::equal(host.contextLens, host.contextLens + 2, there.contextLens));
    EXPECT_TRUE(std::equal(host.sampleRows, host.sampleRows + 2, there.sampleRows));
    for (int32_t row = 0; row < 2; ++row)
      for (int32_t page = 0; page < (host.contextLens[row] + 15) / 16; ++page)
        EXPECT_EQ(there.blockTable[row * there.blockStride + page], host.blockTable[row * host.blockStride + page]);
    device.scripted.openMemory(false);
  }
}

TEST(DeviceBatch, TheNextStepIsPackedWhileACopyWaits) {
  test::ScriptedDevice device;
  const StepLimits limits{8, 8, 8, 160};
  BatchBuilder builder(limits, 100, 80);
  DeviceBatch sent = DeviceBatch::create(*device.context, limits, Numerics::kFast).take();
  const std::vector<int32_t> pages(10, 79);
  cuda::Event first = cuda::Event::create(*device.context).take();
  for (const int32_t id : {3, 4}) {
    const StepSequence step{std::span(&id, 1), pages, 20, RowChoice::kLast, {}};
    ASSERT_TRUE(builder.build(std::span(&step, 1)));
    ASSERT_TRUE(sent.send(*device.stream, builder.batch(), {}, 4096));
    if (id == 3) ASSERT_TRUE(device.stream->record(first));
  }
  const auto idThere = [&] {
    device.scripted.openMemory(true);
    const Batch& there = *reinterpret_cast<const Batch*>(sent.address());
    const int32_t id = there.tokenIds[0];
    EXPECT_EQ(reinterpret_cast<uint64_t>(there.lastTokens), 4096u);
    device.scripted.openMemory(false);
    return id;
  };
  ASSERT_TRUE(first.wait());
  EXPECT_EQ(idThere(), 3);
  ASSERT_TRUE(device.stream->synchronize());
  EXPECT_EQ(idThere(), 4);
  EXPECT_EQ(device.scripted.script().changedSources, 0u);
}

TEST(DeviceBatch, TheLargestStepFits) {
  test::ScriptedDevice device;
  const StepLimits limits{8, 8, 8, 160};
  for (const auto numerics : {Numerics::kFast, Numerics::kInvariant}) {
    BatchBuilder builder(limits, 100, 80, numerics == Numerics::kInvariant);
    DeviceBatch sent = DeviceBatch::create(*device.context, limits, numerics).take();
    const std::vector<int32_t> ids(1, 3), pages(10, 79);
    std::vector<StepSequence> step(8, {ids, pages, 159, RowChoice::kLast, {}, numerics == Numerics::kInvariant});
    ASSERT_TRUE(builder.build(step));
    EXPECT_TRUE(sent.send(*device.stream, builder.batch()));
    EXPECT_TRUE(device.stream->synchronize());
  }
}

}  // namespace
}  // namespace llmc::rt::cuda
