// Arenas: alignment, zero contents, failure with numbers.
#include "runtime/device/memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "tests/unit/sanitized.h"

namespace llmc::rt {
namespace {

TEST(Arena, IsAlignedZeroAndWritableToTheLastByte) {
  for (uint64_t bytes : {uint64_t{1}, uint64_t{4096}, kHugePageBytes, kHugePageBytes + 1, uint64_t{10} << 20}) {
    auto arena = Arena::map(bytes, "test");
    ASSERT_TRUE(arena);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena->data()) % kHugePageBytes, 0u);
    EXPECT_GE(arena->size(), bytes);
    EXPECT_EQ(arena->data()[arena->size() - 1], 0);
    arena->data()[arena->size() - 1] = 7;
  }
}

TEST(Arena, PopulatedPagesAreThereAndKeepTheirContent) {
  auto arena = Arena::map(2 * kHugePageBytes, "a test", /*hugePages=*/false);
  ASSERT_TRUE(arena);
  arena->data()[kHugePageBytes + 9] = 7;
  populate(arena->data(), arena->size());
  std::vector<unsigned char> resident(arena->size() / 4096);
  ASSERT_EQ(::mincore(arena->data(), arena->size(), resident.data()), 0);
#ifdef MADV_POPULATE_WRITE
  if (::madvise(arena->data(), 4096, MADV_POPULATE_WRITE) == 0)  // a kernel before 5.14 cannot
    EXPECT_EQ(std::count(resident.begin(), resident.end(), 0), 0);
#endif
  EXPECT_EQ(arena->data()[kHugePageBytes + 9], 7);
  EXPECT_EQ(arena->data()[9], 0);
}

TEST(Arena, MovesOwnership) {
  auto first = Arena::map(100, "test").take();
  uint8_t* data = first.data();
  Arena second = std::move(first);
  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(first.data(), nullptr);  // NOLINT: the moved-from state is what is tested
  Arena third;
  third = std::move(second);
  EXPECT_EQ(third.data(), data);
}

TEST(Arena, IsNotInherited) {
  if (kThreadSanitized) GTEST_SKIP() << "ThreadSanitizer maps memory of its own where the child lacks the arena";
  auto arena = Arena::map(1 << 20, "test").take();
  arena.data()[0] = 7;
  const pid_t child = fork();
  if (child == 0) {
    unsigned char resident = 0;
    _exit(mincore(arena.data(), 4096, &resident) == 0 ? 1 : errno == ENOMEM ? 0 : 2);  // ENOMEM: nothing is mapped
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Arena, RefusesWhatCannotBeMapped) {
  for (uint64_t bytes : {uint64_t{1} << 60, ~uint64_t{0}, ~uint64_t{0} - kHugePageBytes}) {
    auto arena = Arena::map(bytes, "the KV cache");
    ASSERT_FALSE(arena);
    EXPECT_EQ(arena.status().code(), "RT_MEMORY");
    EXPECT_EQ(exitStatus(arena.status().kind()), 69);
    EXPECT_NE(arena.status().message().find("the KV cache"), std::string::npos);
  }
}

TEST(Memory, SizesForPeople) {
  EXPECT_EQ(formatBytes(512), "512 B");
  EXPECT_EQ(formatBytes(1536), "1.50 KiB");
  EXPECT_EQ(formatBytes(96ull << 20), "96.0 MiB");
}

}  // namespace
}  // namespace llmc::rt
