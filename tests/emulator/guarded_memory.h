// Memory of its own pages between two regions that nobody may touch: a kernel's wild access faults there, instead of
// changing the heap of the process that tests it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace llmc::emu {

/// On either side; more than a wrong row, page or panel of a test's kernel is away.
inline constexpr uint64_t kGuardBytes = 16u << 20;

struct UnmapGuarded {
  uint64_t bytes = 0;  ///< with both guards
  void operator()(std::byte* first) const;
};
using GuardedMemory = std::unique_ptr<std::byte, UnmapGuarded>;

/// `bytes` of zeros at the start of a page; the rest of the last page may be touched, too. Ends the process when the
/// system has no memory.
GuardedMemory guardedMemory(uint64_t bytes);

}  // namespace llmc::emu
