// What telling tokens costs steps: threads that wake after each step and write to sockets, as a server's I/O threads
// do.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::rt {

/// So a step that is measured pays for waking others, and on CPUs that workers and others share for what these do
/// while the next step runs. One thread calls it.
class TokenTeller {
 public:
  /// Its threads inherit the CPUs of the caller: before the caller is pinned. Error RT_TELLER (69): no loopback.
  static Result<std::unique_ptr<TokenTeller>> create();
  ~TokenTeller();
  TokenTeller(const TokenTeller&) = delete;
  TokenTeller& operator=(const TokenTeller&) = delete;

  /// Where there are other CPUs the threads leave `workers` alone from the next tell() on.
  void keepOff(std::span<const int> workers);
  /// A step gave so many tokens, each of another stream: wakes those who tell them.
  void tell(uint32_t tokens);
  /// Events that were written until now.
  uint64_t told() const;

 private:
  class Thread;
  TokenTeller();
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace llmc::rt
