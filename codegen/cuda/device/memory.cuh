// Loads and stores of global memory in whole vectors, and asynchronous copies to shared memory.
#pragma once

struct __align__(16) Words4 {
  u32 x, y, z, w;
};
struct __align__(8) Words2 {
  u32 x, y;
};

/// 16 bytes that nothing writes while the kernel runs (weights); `at` is 16-byte aligned.
DEVICE Words4 loadConstant16(const void *at) {
  Words4 r;
  asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w) : "l"(at));
  return r;
}

/// N words (0, 1, 2 or 4) of weights, aligned to their size: through the first-level cache, because several lanes read
/// them; or past it, because nothing else does.
#define LLMC_LOAD_WORDS(name, cache)                                                                                   \
  template <int N> DEVICE void name(u32 *to, const u8 *at) {                                                           \
    if constexpr (N == 1)                                                                                              \
      asm volatile("ld.global.nc" cache ".u32 %0, [%1];" : "=r"(to[0]) : "l"(at));                                     \
    else if constexpr (N == 2)                                                                                         \
      asm volatile("ld.global.nc" cache ".v2.u32 {%0, %1}, [%2];" : "=r"(to[0]), "=r"(to[1]) : "l"(at));               \
    else if constexpr (N == 4)                                                                                         \
      asm volatile("ld.global.nc" cache ".v4.u32 {%0, %1, %2, %3}, [%4];"                                              \
                   : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])                                                \
                   : "l"(at));                                                                                         \
  }
LLMC_LOAD_WORDS(loadConstant, "")
LLMC_LOAD_WORDS(loadOnce, ".L1::no_allocate")
#undef LLMC_LOAD_WORDS

/// N neighbouring floats stored as Format at `at`, which is aligned to their size. Plain loads, because a buffer may be
/// read and written by one kernel.
template <typename Format, int N> DEVICE Vec<N> load(const u8 *at) {
  Vec<N> r;
  if constexpr (Format::kBytes == 4) {
    if constexpr (N == 4) {
      const Words4 w = *reinterpret_cast<const Words4 *>(at);
      r.v[0] = __uint_as_float(w.x), r.v[1] = __uint_as_float(w.y);
      r.v[2] = __uint_as_float(w.z), r.v[3] = __uint_as_float(w.w);
    } else if constexpr (N == 2) {
      const Words2 w = *reinterpret_cast<const Words2 *>(at);
      r.v[0] = __uint_as_float(w.x), r.v[1] = __uint_as_float(w.y);
    } else {
      r.v[0] = *reinterpret_cast<const float *>(at);
    }
  } else if constexpr (N == 4) {
    const Words2 w = *reinterpret_cast<const Words2 *>(at);
    r.v[0] = Format::low(w.x), r.v[1] = Format::high(w.x), r.v[2] = Format::low(w.y), r.v[3] = Format::high(w.y);
  } else if constexpr (N == 2) {
    const u32 w = *reinterpret_cast<const u32 *>(at);
    r.v[0] = Format::low(w), r.v[1] = Format::high(w);
  } else {
    r.v[0] = Format::widen(*reinterpret_cast<const u16 *>(at));
  }
  return r;
}

/// Rounds N floats to Format and writes them at `at`, which is aligned to their size.
template <typename Format, int N> DEVICE void store(u8 *at, const Vec<N> &x) {
  if constexpr (Format::kBytes == 4) {
    if constexpr (N == 4)
      *reinterpret_cast<Words4 *>(at) = Words4{__float_as_uint(x.v[0]), __float_as_uint(x.v[1]), __float_as_uint(x.v[2]),
                                               __float_as_uint(x.v[3])};
    else if constexpr (N == 2)
      *reinterpret_cast<Words2 *>(at) = Words2{__float_as_uint(x.v[0]), __float_as_uint(x.v[1])};
    else
      *reinterpret_cast<float *>(at) = x.v[0];
  } else if constexpr (N == 4) {
    *reinterpret_cast<Words2 *>(at) = Words2{Format::pack(x.v[0], x.v[1]), Format::pack(x.v[2], x.v[3])};
  } else if constexpr (N == 2) {
    *reinterpret_cast<u32 *>(at) = Format::pack(x.v[0], x.v[1]);
  } else {
    *reinterpret_cast<u16 *>(at) = Format::narrow(x.v[0]);
  }
}

/// Writes the codes of N floats at `at`, a multiple of N.
template <typename Codes, int N> DEVICE void storeCodes(u8 *at, const Vec<N> &x) {
  u32 word = 0;
#pragma unroll
  for (int i = 0; i < N; ++i)
    word |= Codes::code(x.v[i]) << (8 * i);
  if constexpr (N == 4)
    *reinterpret_cast<u32 *>(at) = word;
  else if constexpr (N == 2)
    *reinterpret_cast<u16 *>(at) = static_cast<u16>(word);
  else
    *at = static_cast<u8>(word);
}
/// What follows kColumns e4m3 in a row: zeros up to 16, then the scale. By the block's first threads.
template <int kColumns> DEVICE void storeE4m3End(u8 *row, float scale) {
  constexpr int kScaleAt = (kColumns + 15) / 16 * 16;
  if (static_cast<int>(threadIdx.x) < kScaleAt - kColumns)
    row[kColumns + threadIdx.x] = 0;
  if (threadIdx.x == 0)
    *reinterpret_cast<float *>(row + kScaleAt) = scale;
}

DEVICE u32 sharedAddress(const void *at) { return static_cast<u32>(__cvta_generic_to_shared(at)); }
DEVICE Words4 loadShared16(u32 at) {
  Words4 r;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w) : "r"(at) : "memory");
  return r;
}
DEVICE Words2 loadShared8(u32 at) {
  Words2 r;
  asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(r.x), "=r"(r.y) : "r"(at) : "memory");
  return r;
}
DEVICE void storeShared16(u32 at, const Words4 &x) {
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(x.x), "r"(x.y), "r"(x.z), "r"(x.w) : "memory");
}

/// Starts to copy the first `bytes` (0 to 16) of 16 bytes from global to shared memory (both 16-byte aligned); the rest
/// becomes zero.
DEVICE void copyAsyncPart(u32 to, const void *from, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}
DEVICE void copyAsyncPart(void *to, const void *from, int bytes) { copyAsyncPart(sharedAddress(to), from, bytes); }
/// All 16 bytes; zeros arrive when `exists` is false, and `from` is not read then.
DEVICE void copyAsync16(u32 to, const void *from, bool exists = true) { copyAsyncPart(to, from, exists ? 16 : 0); }
DEVICE void copyAsync16(void *to, const void *from, bool exists = true) {
  copyAsync16(sharedAddress(to), from, exists);
}
/// Ends a group of copies; waits until at most N groups are under way (of this thread: others need a barrier after).
DEVICE void commitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> DEVICE void waitCopies() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

/// What this thread has seen and done in device memory comes before what it does next, for all blocks.
DEVICE void deviceFence() { asm volatile("fence.acq_rel.gpu;" ::: "memory"); }
