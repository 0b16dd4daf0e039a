// mmap, and alignment by trimming.
#include "runtime/device/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "runtime/base/checked.h"

namespace llmc::rt {

Result<Arena> Arena::map(uint64_t bytes, std::string_view what, bool hugePages) {
  const auto rounded = checkedRoundUp(std::max<uint64_t>(bytes, 1), kHugePageBytes);
  const auto reserved = rounded ? checkedAdd(*rounded, kHugePageBytes) : std::nullopt;
  if (!reserved)
    return Status::error(ErrorKind::kUnavailable, "RT_MEMORY", std::string(what) + ": size does not fit 64 bits");
  // One huge page more than needed, so that an aligned range lies inside; the rest goes back at once.
  void* raw = mmap(nullptr, *reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED)
    return Status::error(
        ErrorKind::kUnavailable, "RT_MEMORY",
        "cannot map " + formatBytes(*rounded) + " for " + std::string(what) + ": " + std::strerror(errno),
        "close other programs or lift the limit (ulimit -v, the container's)");
  auto* start = static_cast<uint8_t*>(raw);
  const auto address = reinterpret_cast<uintptr_t>(raw);
  const uint64_t skip = (kHugePageBytes - address % kHugePageBytes) % kHugePageBytes;
  if (skip) munmap(start, skip);
  if (const uint64_t tail = kHugePageBytes - skip) munmap(start + skip + *rounded, tail);
  Arena arena;
  arena.data_ = start + skip;
  arena.size_ = *rounded;
  if (hugePages) (void)madvise(arena.data_, arena.size_, MADV_HUGEPAGE);  // only a wish: 4 KiB pages work too
  (void)madvise(arena.data_, arena.size_, MADV_DONTFORK);
  return arena;
}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Arena::~Arena() {
  if (data_) munmap(data_, size_);
}

void populate([[maybe_unused]] uint8_t* at, [[maybe_unused]] uint64_t bytes) {
#ifdef MADV_POPULATE_WRITE
  (void)madvise(at, bytes, MADV_POPULATE_WRITE);
#endif
}

std::string formatBytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 6) value /= 1024, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : value < 10 ? "%.2f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace llmc::rt
