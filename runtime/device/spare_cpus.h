// Free cores beside those that workers have: where a worker goes whose CPU another process has taken.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

namespace llmc::rt {

/// Two processes that choose their CPUs by the same rule choose the same ones. The worker that waits most moves to a
/// spare core, whose place its old one takes; a coin decides at each look, so that the two do not move side by side for
/// ever.
class SpareCpus {
 public:
  struct Move {
    uint32_t worker;
    int cpu;
  };

  explicit SpareCpus(std::span<const int> cpus) : spare_(cpus.begin(), cpus.end()) {}
  bool any() const { return !spare_.empty(); }

  /// `waited[i]`: share of the last stretch of walks, 0 to 1, that worker i was ready to run and had no CPU; `cpus[i]`:
  /// the CPU that it has. Nothing moves that did not wait in the look before, too, nor when the `coin` says no.
  std::optional<Move> look(std::span<const double> waited, std::span<const int> cpus, bool coin);

 private:
  std::deque<int> spare_;  ///< the one that was tried longest ago first
  bool suspected_ = false;
};

}  // namespace llmc::rt
