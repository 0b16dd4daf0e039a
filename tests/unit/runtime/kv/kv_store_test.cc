// Pages are apart from each other, start as zero and can be copied.
#include "runtime/kv/kv_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace llmc::rt {
namespace {

TEST(KvStore, CopiesWholePages) {
  auto store = KvStore::create(1000, 3).take();
  EXPECT_TRUE(std::all_of(store->base(), store->base() + 3000, [](uint8_t b) { return b == 0; }));
  std::fill_n(store->base() + 1000, 1000, uint8_t{9});
  ASSERT_TRUE(store->copyPage(1, 2));
  EXPECT_TRUE(std::all_of(store->base(), store->base() + 1000, [](uint8_t b) { return b == 0; }));
  EXPECT_TRUE(std::all_of(store->base() + 2000, store->base() + 3000, [](uint8_t b) { return b == 9; }));
}

TEST(KvStore, PagesMoveBetweenStoresAndAreCleared) {
  auto device = KvStore::create(1000, 3).take(), host = KvStore::create(1000, 2).take();
  for (int i = 0; i < 3000; ++i) device->base()[i] = static_cast<uint8_t>(i * 7 / 5);
  const std::vector<uint8_t> before(device->base(), device->base() + 3000);
  ASSERT_TRUE(host->copyPageOf(*device, 2, 1));
  ASSERT_TRUE(device->clearPage(2));
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + 2000, device->base()));
  EXPECT_TRUE(std::all_of(device->base() + 2000, device->base() + 3000, [](uint8_t b) { return b == 0; }));
  ASSERT_TRUE(device->copyPageOf(*host, 1, 0));
  EXPECT_TRUE(std::equal(before.begin() + 2000, before.end(), device->base()));
}

TEST(KvStore, FillsTheFirstPages) {
  auto store = KvStore::create(100, 3).take();
  ASSERT_TRUE(store->fillPages(2, 7));
  EXPECT_TRUE(std::all_of(store->base(), store->base() + 200, [](uint8_t b) { return b == 7; }));
  EXPECT_EQ(store->base()[200], 0);
}

/// Pages that only they can copy: what a device is to a store.
class FarPages : public PageMemory {
 public:
  explicit FarPages(std::vector<uint8_t>& bytes) : bytes_(bytes) {}
  uint8_t* base() const override { return bytes_.data(); }
  bool onDevice() const override { return true; }
  Status copy(uint8_t* to, const uint8_t* from, uint64_t bytes) override {
    if (failing) return Status::error(ErrorKind::kDeviceFault, "TEST", "no copy");
    std::copy_n(from, bytes, to);
    ++copies;
    return Status::ok();
  }
  Status fill(uint8_t* to, uint8_t value, uint64_t bytes) override {
    std::fill_n(to, bytes, value);
    return Status::ok();
  }
  Status wait() override { return Status::ok(); }
  int copies = 0;
  bool failing = false;

 private:
  std::vector<uint8_t>& bytes_;
};

TEST(KvStore, TheDeviceCopiesInBothDirections) {
  std::vector<uint8_t> bytes(300);
  auto pages = std::make_unique<FarPages>(bytes);
  FarPages& far = *pages;
  auto device = KvStore::over(std::move(pages), 100, 3);
  auto host = KvStore::create(100, 2).take();
  host->base()[100] = 42;
  ASSERT_TRUE(device->copyPageOf(*host, 1, 2));
  EXPECT_EQ(bytes[200], 42);
  ASSERT_TRUE(host->copyPageOf(*device, 2, 0));
  EXPECT_EQ(host->base()[0], 42);
  EXPECT_EQ(far.copies, 2);
  far.failing = true;
  EXPECT_EQ(host->copyPageOf(*device, 2, 0).code(), "TEST");
}

TEST(KvStore, ReportsMemoryThatCannotBeHad) {
  for (uint64_t pageBytes : {uint64_t{1} << 45, ~uint64_t{0}}) {
    auto store = KvStore::create(pageBytes, 1 << 16);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.status().code(), "RT_MEMORY");
  }
}

}  // namespace
}  // namespace llmc::rt
