// Memory of the emulated device: host memory between pages that nobody may touch, counted against the device's size.
#pragma once

#include <cstdint>
#include <map>

#include "tests/emulator/launch.h"

namespace llmc::emu {

/// Callers hold the driver's lock.
class DeviceMemory {
 public:
  /// Null when the device has not so much left. The end lies as near to a forbidden page as an alignment of 256 allows;
  /// contents are 0xff.
  void* allocate(uint64_t bytes);
  /// False for what is no start of a buffer.
  bool free(void* address);
  uint64_t used() const { return used_; }

  void* allocateHost(uint64_t bytes);
  bool freeHost(void* address);

  enum class Place { kDevice, kPinned, kPageable };
  /// Where a range lies; `bad` when it only begins in a buffer of the device.
  Place place(uint64_t address, uint64_t bytes, bool* bad) const;
  const MemoryMap& map() const { return map_; }

 private:
  struct Range {
    uint64_t bytes;
    void* base;
    uint64_t mapped;
  };
  std::map<uint64_t, Range> device_, host_;
  MemoryMap map_;
  uint64_t used_ = 0, serial_ = 0;
};

}  // namespace llmc::emu
