// Mappings: alignment of huge ones, and that sealed memory is never writable.
#include "runtime/format/engine_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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

TEST(Mapping, MoreThanThereIsIsAnErrorWithTheSize) {
  constexpr uint64_t kMore = uint64_t{1} << 60;  // of 2^47 addresses
  for (bool huge : {false, true}) {
    auto made = Mapping::anonymous(kMore, huge);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.status().code(), "EN_MEMORY");
    EXPECT_EQ(exitStatus(made.status().kind()), 69);
    EXPECT_NE(made.status().message().find("cannot map 1152921504606846976 bytes: "), std::string::npos)
        << made.status().message();
  }
  EXPECT_EQ(Mapping::ofFile(-1, 0, 4096).status().code(), "EN_MEMORY");
}

TEST(Mapping, CanBeKeptFromChildren) {
  for (const bool kept : {false, true}) {
    auto made = Mapping::anonymous(4096, false);
    ASSERT_TRUE(made);
    if (kept) made->keepFromChildren();
    const pid_t child = ::fork();
    if (child == 0) {
      unsigned char resident = 0;
      ::_exit(::mincore(made->data(), 4096, &resident) == 0 ? 1 : 0);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), kept ? 0 : 1);
  }
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
