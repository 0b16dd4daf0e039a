// Pages on a device: zero at first, copied and swapped in the order of the stream, by the device alone.
#include "runtime/kv/cuda/device_pages.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/kv/kv_store.h"
#include "runtime/kv/sequence_cache.h"
#include "tests/unit/runtime/device/cuda/scripted_device.h"

namespace llmc::rt::cuda {
namespace {

constexpr uint64_t kPageBytes = 100;

/// The scripted device refuses the host any look at its memory: contents are copied back first.
std::vector<uint8_t> contents(test::ScriptedDevice& device, const KvStore& store) {
  std::vector<uint8_t> bytes(store.pages() * kPageBytes);
  EXPECT_TRUE(device.stream->copy(hostAddress(bytes.data()), hostAddress(store.base()), bytes.size()));
  EXPECT_TRUE(device.stream->synchronize());
  return bytes;
}

TEST(DevicePages, CopyAndSwapInOrder) {
  test::ScriptedDevice device;
  auto store = KvStore::over(devicePages(*device.stream, 4 * kPageBytes).take(), kPageBytes, 4);
  auto host = KvStore::create(kPageBytes, 2).take();
  EXPECT_EQ(contents(device, *store), std::vector<uint8_t>(4 * kPageBytes, 0));
  ASSERT_TRUE(store->fillPages(1, 9));
  ASSERT_TRUE(store->copyPage(0, 2));
  ASSERT_TRUE(host->copyPageOf(*store, 2, 1));
  ASSERT_TRUE(store->clearPage(2));
  ASSERT_TRUE(store->copyPageOf(*host, 1, 3));
  ASSERT_TRUE(store->wait());
  const auto bytes = contents(device, *store);
  for (int page = 0; page < 4; ++page) EXPECT_EQ(bytes[page * kPageBytes + 50], page == 0 || page == 3 ? 9 : 0) << page;
  EXPECT_EQ(host->base()[kPageBytes], 9);
}

TEST(DevicePages, AForkWritesItsOwnCopy) {
  test::ScriptedDevice device;
  auto store = KvStore::over(devicePages(*device.stream, 4 * kPageBytes).take(), kPageBytes, 4);
  ASSERT_TRUE(store->fillPages(4, 7));
  SequenceCache first(*store, 64);
  ASSERT_TRUE(first.append(5));
  SequenceCache second = first.fork();
  ASSERT_TRUE(second.append(1));
  EXPECT_NE(first.pages()[0], second.pages()[0]);
}

TEST(DevicePages, AFaultReachesTheSequenceAndTakesNoPage) {
  test::ScriptedDevice device;
  auto store = KvStore::over(devicePages(*device.stream, 4 * kPageBytes).take(), kPageBytes, 4);
  SequenceCache first(*store, 64);
  ASSERT_TRUE(first.append(5));
  SequenceCache second = first.fork();
  const uint32_t free = store->pool().freePages();
  device.scripted.script().failAt = device.scripted.script().calls + 1;
  device.scripted.script().failCode = 700;
  EXPECT_EQ(second.append(1).code(), "CU_FAULT");
  EXPECT_EQ(store->pool().freePages(), free);
  EXPECT_EQ(second.length(), 5u);
}

TEST(DevicePages, RefusalNamesTheCache) {
  test::ScriptedDevice device;
  auto pages = devicePages(*device.stream, uint64_t{1} << 33);
  ASSERT_FALSE(pages);
  EXPECT_NE(pages.status().message().find("8.00 GiB of device memory for the KV cache"), std::string::npos);
}

}  // namespace
}  // namespace llmc::rt::cuda
