// What one core can do at most: read bandwidth and multiply-accumulate rates, from loops made by the same code
// generator.
#pragma once

#include "codegen/cpu/Level.h"
#include <cstddef>

namespace llmc {

/// GB/s of a plain read loop over `bytes` bytes.
double readBandwidth(const Level &level, size_t bytes);
/// Billions of int8 operations (2 a multiply-accumulate) per second of the level's dot product alone.
double dotPeak(const Level &level);
/// GFLOP/s of FMA alone.
double fmaPeak(const Level &level);

/// Seconds of a call: the median of those that fit the time budget.
template <typename Fn> double typicalSeconds(double budgetSeconds, Fn &&call);

} // namespace llmc

#include <algorithm>
#include <ctime>
#include <vector>
template <typename Fn> double llmc::typicalSeconds(double budgetSeconds, Fn &&call) {
  // Time on the core: what other processes take of it does not count. The median, because the kernel's accounting of a
  // shared virtual machine errs to both sides (minima beyond the peak of the core were seen).
  auto now = [] {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  std::vector<double> samples;
  double start = now();
  do {
    double t0 = now();
    call();
    samples.push_back(now() - t0);
  } while (now() - start < budgetSeconds);
  std::nth_element(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2), samples.end());
  return samples[samples.size() / 2];
}
