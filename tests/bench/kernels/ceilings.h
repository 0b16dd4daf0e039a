// What one core can do at most: read bandwidth and multiply-accumulate rates, from loops made by the same code generator.
#pragma once

#include "codegen/cpu/Level.h"
#include <cstddef>

namespace llmc {

/// GB/s of a plain read loop over `bytes` bytes, best of many.
double readBandwidth(const Level &level, size_t bytes);
/// Billions of int8 operations (2 a multiply-accumulate) per second of the level's dot product alone.
double dotPeak(const Level &level);
/// GFLOP/s of FMA alone.
double fmaPeak(const Level &level);

/// Seconds of the fastest of many calls within a time budget.
template <typename Fn> double fastest(double budgetSeconds, Fn &&call);

} // namespace llmc

#include <algorithm>
#include <ctime>
template <typename Fn> double llmc::fastest(double budgetSeconds, Fn &&call) {
  // Time on the core: what other processes take of it does not count.
  auto now = [] {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  double best = 1e30, start = now();
  do {
    double t0 = now();
    call();
    best = std::min(best, now() - t0);
  } while (now() - start < budgetSeconds);
  return best;
}
