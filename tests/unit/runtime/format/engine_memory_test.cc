// Mappings: alignment of huge ones, and that sealed memory is never writable.
#include "runtime/format/engine_memory.h"

#include <gtest/gtest.h>

#include <cstring>

namespace llmc::rt {
namespace {

TEST(Mapping, HugeIsAlignedAndWhole) {
  for (uint64_t size : {uint64_t{1}, uint64_t{4096}, uint64_t{2} << 20, (uint64_t{5} << 20) + 123}) {
    auto made = Mapping::anonymous(size, true);
    ASSERT_TRUE(made);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(made->data()) % (2u << 20), 0u);
    std::memset(made->data(), 7, size);
    EXPECT_EQ(made->data()[size - 1], std::byte{7});
  }
}

TEST(Mapping, SealedMemoryCannotBeWritten) {
  auto made = Mapping::anonymous(4096, false);
  ASSERT_TRUE(made);
  ASSERT_TRUE(made->sealReadOnly());
  EXPECT_DEATH(std::memset(made->data(), 1, 1), "");
}

TEST(Mapping, MovedFromIsEmpty) {
  auto made = Mapping::anonymous(4096, false);
  ASSERT_TRUE(made);
  Mapping moved = made.take();
  Mapping again = std::move(moved);
  EXPECT_EQ(moved.data(), nullptr);
  EXPECT_EQ(again.size(), 4096u);
}

}  // namespace
}  // namespace llmc::rt
