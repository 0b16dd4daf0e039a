// A read-only sweep with independent vector accumulators, run as a one-launch walk and dealt as weights are.
#include "runtime/device/bandwidth.h"

#include <emmintrin.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "runtime/device/cpu_topology.h"
#include "runtime/device/machine_memory.h"
#include "runtime/device/memory.h"

namespace llmc::rt {
namespace {

/// Bytes of worker `w`'s share [first, last) of `total`, in whole pages.
std::pair<uint64_t, uint64_t> share(uint64_t total, uint32_t worker, uint32_t workers) {
  const uint64_t pages = total >> 12;
  return {pages * worker / workers << 12, pages * (worker + 1) / workers << 12};
}

/// What whoever is free takes at a time of the last quarter, as products of few rows with large weights do.
constexpr uint64_t kChunk = 256u << 10;

void readAll(const uint8_t* begin, const uint8_t* end, __m128i (&sums)[8]) {
  const auto* last = reinterpret_cast<const __m128i*>(end);
  for (const auto* at = reinterpret_cast<const __m128i*>(begin); at < last; at += 8) {
    _mm_prefetch(reinterpret_cast<const char*>(at + 64), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(at + 68), _MM_HINT_T0);
    for (int j = 0; j < 8; ++j) sums[j] = _mm_xor_si128(sums[j], _mm_load_si128(at + j));
  }
}

// args: buffer, bytes, one line for each worker to leave its sum in (so that the reads cannot be dropped).
int32_t sweep(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>* taken) {
  const auto* buffer = reinterpret_cast<const uint8_t*>(args[0]);
  const uint64_t bytes = args[1], own = taken ? bytes / 4 * 3 : bytes;
  __m128i sums[8] = {};
  const auto [first, last] = share(own, worker, workers);
  readAll(buffer + first, buffer + last, sums);
  const auto next = [&] { return (own >> 12 << 12) + taken->fetch_add(1, std::memory_order_relaxed) * kChunk; };
  if (taken)
    for (uint64_t at = next(); at < bytes; at = next())
      readAll(buffer + at, buffer + std::min(at + kChunk, bytes), sums);
  for (int j = 1; j < 8; ++j) sums[0] = _mm_xor_si128(sums[0], sums[j]);
  _mm_store_si128(reinterpret_cast<__m128i*>(args[2]) + worker * 4, sums[0]);
  return 0;
}

// Each worker touches its own share first, so that on NUMA machines the pages are near it.
int32_t fill(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>*) {
  const auto [first, last] = share(args[1], worker, workers);
  std::memset(reinterpret_cast<char*>(args[0]) + first, static_cast<int>(worker) + 1, last - first);
  return 0;
}

}  // namespace

Result<double> measureReadBandwidth(WorkerPool& pool, uint64_t bytes, int rounds) {
  if (bytes == 0)
    bytes = std::min(std::max<uint64_t>(8 * lastLevelCacheBytes(), 256u << 20), availableMemoryBytes() / 4);
  bytes = bytes / 4096 * 4096;
  auto buffer = Arena::map(bytes + 4096, "the bandwidth measurement");
  if (!buffer) return buffer.takeStatus();
  auto sums = Arena::map(uint64_t{pool.workers()} * 64, "the bandwidth measurement");
  if (!sums) return sums.takeStatus();
  const uint64_t args[3] = {reinterpret_cast<uint64_t>(buffer->data()), bytes,
                            reinterpret_cast<uint64_t>(sums->data())};
  const KernelCall calls[2] = {{fill, args}, {sweep, args}};
  const uint32_t end = 1;
  (void)pool.run({std::span(calls).first(1), std::span(&end, 1)});
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    (void)pool.run({std::span(calls).last(1), std::span(&end, 1)});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(bytes) / seconds.count());
  }
  return best;
}

}  // namespace llmc::rt
