// Counts how often the banks of shared memory make a warp's access wait.
#pragma once

#include <array>
#include <deque>
#include <unordered_map>

#include "tests/emulator/device/thread.h"

namespace llmc::emu {

/// The lanes' accesses at one place of the code are put together by how often each lane has come there.
class BankCounter {
 public:
  void access(const Thread& thread, u32 offset, u32 bytes, u32 line);
  /// Counts what not all lanes took part in; forgets everything but the sums.
  void finish();
  u64 requests() const { return requests_; }      ///< parts of a warp's access that are served at once when they can be
  u64 wavefronts() const { return wavefronts_; }  ///< passes that they take; more than requests means conflicts
  void clear() { requests_ = wavefronts_ = 0; }

 private:
  struct Request {
    u32 lanes = 0, bytes = 0;
    std::array<u32, 32> offset;
  };
  struct Place {
    std::array<u32, 32> visits{};
    u32 first = 0;  ///< number of the oldest open request
    std::deque<Request> open;
  };
  void count(const Request& request);

  std::unordered_map<u64, Place> places_;  ///< by warp and line
  u64 requests_ = 0, wavefronts_ = 0;
};

}  // namespace llmc::emu
