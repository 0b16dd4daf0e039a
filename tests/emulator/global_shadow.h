// Who wrote and read each part of device memory last during one launch: blocks of a grid have no order.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>

#include "tests/emulator/device/thread.h"

namespace llmc::emu {

/// Of one byte of device memory: kernels may store single bytes beside each other. Blocks count from 1; 0 means nobody.
struct GlobalCell {
  u32 writerBlock = 0, writeClock = 0, readerBlock = 0, readClock = 0;
  u16 writer = 0, reader = 0;
};

/// Sparse: pages appear when they are touched. Not thread-safe.
class GlobalShadow {
 public:
  static constexpr u64 kGrain = 1;
  GlobalCell& at(u64 address) {
    const u64 page = address / kPageBytes;
    if (page != lastPage_ || !last_) {
      auto& slot = pages_[page];
      if (!slot) slot = std::make_unique<Page>();
      lastPage_ = page;
      last_ = slot.get();
    }
    return (*last_)[address % kPageBytes / kGrain];
  }
  void clear() {
    pages_.clear();
    last_ = nullptr;
  }

 private:
  static constexpr u64 kPageBytes = 4096;
  using Page = std::array<GlobalCell, kPageBytes / kGrain>;
  std::unordered_map<u64, std::unique_ptr<Page>> pages_;
  u64 lastPage_ = 0;
  Page* last_ = nullptr;
};

}  // namespace llmc::emu
