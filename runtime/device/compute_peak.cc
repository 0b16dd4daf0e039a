// Loops of one instruction with enough independent chains to hide its latency, run as one-launch walks.
#include "runtime/device/compute_peak.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>

namespace llmc::rt {
namespace {

/// Chains of sums; 12 hide a latency of 5 cycles at two instructions a cycle, and fit 16 registers with their operands.
constexpr int kChains = 12;
constexpr uint64_t kRounds = 10'000;

// The operands come from memory and the sums go back to it, so that no compiler knows the result. One function a kind
// of instruction: the target attribute goes with a function.
#define LLMC_PEAK_LOOP(NAME, TARGET, VECTOR, STEP)                                              \
  __attribute__((target(TARGET))) int32_t NAME(const uint64_t* args, uint32_t worker, uint32_t, \
                                               std::atomic<uint32_t>*) {                        \
    auto* data = reinterpret_cast<VECTOR*>(args[0] + worker * args[1]);                         \
    const VECTOR a = data[0], b = data[1];                                                      \
    VECTOR s0 = data[2], s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;                           \
    VECTOR s6 = a, s7 = a, s8 = a, s9 = a, s10 = a, s11 = a;                                    \
    for (uint64_t i = 0; i < kRounds; ++i) {                                                    \
      STEP(s0)                                                                                  \
      STEP(s1)                                                                                  \
      STEP(s2)                                                                                  \
      STEP(s3)                                                                                  \
      STEP(s4)                                                                                  \
      STEP(s5)                                                                                  \
      STEP(s6)                                                                                  \
      STEP(s7)                                                                                  \
      STEP(s8)                                                                                  \
      STEP(s9)                                                                                  \
      STEP(s10)                                                                                 \
      STEP(s11) /* Else equal chains would be one. */                                           \
      __asm__ volatile("" : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5));        \
      __asm__ volatile("" : "+v"(s6), "+v"(s7), "+v"(s8), "+v"(s9), "+v"(s10), "+v"(s11));      \
    }                                                                                           \
    VECTOR* out = data + 3;                                                                     \
    for (const VECTOR& sum : {s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11}) *out++ = sum;  \
    return 0;                                                                                   \
  }

#define LLMC_DOT512(s) s = _mm512_dpbusd_epi32(s, a, b);
#define LLMC_DOT256(s) s = _mm256_dpbusd_avx_epi32(s, a, b);
#define LLMC_PAIRS512(s) s = _mm512_add_epi16(s, _mm512_maddubs_epi16(s, b));
#define LLMC_PAIRS256(s) s = _mm256_add_epi16(s, _mm256_maddubs_epi16(s, b));
#define LLMC_WORDDOT512(s) s = _mm512_dpwssd_epi32(s, a, b);
#define LLMC_WORDDOT256(s) s = _mm256_dpwssd_avx_epi32(s, a, b);
#define LLMC_WORDS512(s) s = _mm512_add_epi32(s, _mm512_madd_epi16(s, b));
#define LLMC_WORDS256(s) s = _mm256_add_epi32(s, _mm256_madd_epi16(s, b));
#define LLMC_FMA512(s) s = _mm512_fmadd_ps(a, b, s);
#define LLMC_FMA256(s) s = _mm256_fmadd_ps(a, b, s);
#define LLMC_BF16(s) s = _mm512_dpbf16_ps(s, (__m512bh)a, (__m512bh)b);

LLMC_PEAK_LOOP(dot512, "avx512f,avx512vnni", __m512i, LLMC_DOT512)
LLMC_PEAK_LOOP(dot256, "avx2,avxvnni", __m256i, LLMC_DOT256)
LLMC_PEAK_LOOP(pairs512, "avx512f,avx512bw", __m512i, LLMC_PAIRS512)
LLMC_PEAK_LOOP(pairs256, "avx2", __m256i, LLMC_PAIRS256)
LLMC_PEAK_LOOP(wordDot512, "avx512f,avx512vnni", __m512i, LLMC_WORDDOT512)
LLMC_PEAK_LOOP(wordDot256, "avx2,avxvnni", __m256i, LLMC_WORDDOT256)
LLMC_PEAK_LOOP(words512, "avx512f,avx512bw", __m512i, LLMC_WORDS512)
LLMC_PEAK_LOOP(words256, "avx2", __m256i, LLMC_WORDS256)
LLMC_PEAK_LOOP(fma512, "avx512f", __m512, LLMC_FMA512)
LLMC_PEAK_LOOP(fma256, "avx2,fma", __m256, LLMC_FMA256)
LLMC_PEAK_LOOP(bf16512, "avx512f,avx512bf16", __m512, LLMC_BF16)

using Loop = int32_t (*)(const uint64_t*, uint32_t, uint32_t, std::atomic<uint32_t>*);

/// Loops of a level; `bytes` a vector.
struct Loops {
  std::string_view level;
  Loop int8, int16, f32, bf16;
  int bytes;
  const char* int8How;
};
constexpr Loops kLoops[] = {
    {"x86-64-v3", pairs256, words256, fma256, nullptr, 32, "vpmaddubsw and vpaddw, 256 bits"},
    {"x86-64-v3-avxvnni", dot256, wordDot256, fma256, nullptr, 32, "vpdpbusd, 256 bits"},
    {"x86-64-v4", pairs512, words512, fma512, nullptr, 64, "vpmaddubsw and vpaddw, 512 bits"},
    {"x86-64-v4-vnni", dot512, wordDot512, fma512, nullptr, 64, "vpdpbusd, 512 bits"},
    {"x86-64-v4-vnni-bf16", dot512, wordDot512, fma512, bf16512, 64, "vpdpbusd, 512 bits"},
    {"x86-64-v4-vnni-bf16-vp2intersect", dot512, wordDot512, fma512, bf16512, 64, "vpdpbusd, 512 bits"},
};

/// Loop iterations a second of all workers together, the best of some hundred runs: a few that follow each other can
/// all fall into a millisecond in which a busy host holds a CPU back (182 GOP/s where 1,036 are had, Zen 3, 4 threads).
double roundsPerSecond(WorkerPool& pool, Loop loop) {
  constexpr uint64_t kStride = (kChains + 4) * 64;
  std::vector<uint8_t> memory(kStride * pool.workers() + 64, 1);
  const uint64_t args[2] = {(reinterpret_cast<uint64_t>(memory.data()) + 63) / 64 * 64, kStride};
  const KernelCall call{loop, args};
  const uint32_t end = 1;
  double best = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (auto start = begin; start < begin + std::chrono::milliseconds(20); start = std::chrono::steady_clock::now()) {
    (void)pool.run({std::span(&call, 1), std::span(&end, 1)});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, kRounds * pool.workers() / seconds.count());
  }
  return best;
}

}  // namespace

ComputePeaks measureComputePeaks(WorkerPool& pool, std::string_view level) {
  ComputePeaks peaks;
  for (const Loops& loops : kLoops) {
    if (loops.level != level) continue;
    const double products = 2.0 * kChains * loops.bytes;  // of bytes, in an iteration
    peaks.int8 = products * roundsPerSecond(pool, loops.int8);
    peaks.int16 = products / 2 * roundsPerSecond(pool, loops.int16);
    peaks.f32 = products / 4 * roundsPerSecond(pool, loops.f32);
    if (loops.bf16) peaks.bf16 = products / 2 * roundsPerSecond(pool, loops.bf16);
    peaks.int8How = loops.int8How;
    peaks.vectorBits = loops.bytes * 8;
  }
  return peaks;
}

ComputePeaks betterPeaks(const ComputePeaks& a, const ComputePeaks& b) {
  ComputePeaks peaks = a;
  peaks.int8 = std::max(a.int8, b.int8);
  peaks.int16 = std::max(a.int16, b.int16);
  peaks.f32 = std::max(a.f32, b.f32);
  peaks.bf16 = std::max(a.bf16, b.bf16);
  return peaks;
}

}  // namespace llmc::rt
