// One mapping without access, its middle opened.
#include "tests/emulator/guarded_memory.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

namespace llmc::emu {

void UnmapGuarded::operator()(std::byte* first) const { munmap(first - kGuardBytes, bytes); }

GuardedMemory guardedMemory(uint64_t bytes) {
  constexpr uint64_t kPageBytes = 4096;
  const uint64_t inner = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes, whole = inner + 2 * kGuardBytes;
  void* mapped = mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED || mprotect(static_cast<std::byte*>(mapped) + kGuardBytes, inner, PROT_READ | PROT_WRITE)) {
    std::perror("guardedMemory");
    std::abort();
  }
  return {static_cast<std::byte*>(mapped) + kGuardBytes, UnmapGuarded{whole}};
}

}  // namespace llmc::emu
