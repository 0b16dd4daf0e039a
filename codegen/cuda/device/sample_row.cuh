// A row of logits as the sampler sees it: with edits, as weights, as masses; and the random numbers of a sequence.
#pragma once

/// exp(x) for x <= 0, bit for bit as vocab_scan.cc has it.
DEVICE float expNonPositive(float x) {
  const bool zero = x < -87.0f;
  x = zero ? -87.0f : x;
  const float n = rintf(x * 1.44269504f);
  const float r = fmaf(n, -1.42860677e-6f, fmaf(n, -0.693145752f, x));
  float p = fmaf(1.0f / 720, r, 1.0f / 120);
  p = fmaf(p, r, 1.0f / 24);
  p = fmaf(p, r, 1.0f / 6);
  p = fmaf(p, r, 0.5f);
  p = fmaf(p, r, 1.0f);
  p = fmaf(p, r, 1.0f);
  return zero ? 0.0f : p * __uint_as_float(static_cast<u32>(static_cast<int>(n) + 127) << 23);
}

/// Philox4x32-10 of philox.h: 53 bits for the token at `position` of a sequence with `seed`.
DEVICE u64 randomBits(u64 seed, u64 position) {
  u32 counter[4] = {static_cast<u32>(position), static_cast<u32>(position >> 32), 0, 0};
  u32 key[2] = {static_cast<u32>(seed), static_cast<u32>(seed >> 32)};
#pragma unroll 1
  for (int round = 0; round < 10; ++round) {
    const u64 a = 0xD2511F53ull * counter[0], b = 0xCD9E8D57ull * counter[2];
    counter[0] = static_cast<u32>(b >> 32) ^ counter[1] ^ key[0];
    counter[1] = static_cast<u32>(b);
    counter[2] = static_cast<u32>(a >> 32) ^ counter[3] ^ key[1];
    counter[3] = static_cast<u32>(a);
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return (static_cast<u64>(counter[0]) << 32 | counter[1]) >> 11;
}

/// The sum of x over the threads before this one; `total` becomes that of all. All threads must call it.
template <int kThreads> DEVICE u64 blockPrefix(u64 x, u64 &total) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  u64 sum = x;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const u64 other = __shfl_up_sync(kWholeWarp, sum, distance);
    sum += lane >= distance ? other : 0;
  }
  __shared__ u64 partial[kThreads / 32];
  __syncthreads(); // the last call's parts have been read
  if (lane == 31)
    partial[warp] = sum;
  __syncthreads();
  u64 before = 0;
  total = 0;
#pragma unroll 4
  for (int i = 0; i < kThreads / 32; ++i) {
    before += i < warp ? partial[i] : 0;
    total += partial[i];
  }
  return before + sum - x;
}

/// Order of candidates as one number: the larger logit first, of equal ones the lower id.
DEVICE u64 candidateKey(float x, int id) {
  const u32 bits = __float_as_uint(__fadd_rn(x, 0.0f)); // -0 is 0
  const u32 rising = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return static_cast<u64>(~rising) << 32 | static_cast<u32>(id);
}
DEVICE float logitOf(u64 key) {
  const u32 rising = ~static_cast<u32>(key >> 32);
  return __uint_as_float(rising & 0x80000000u ? rising & 0x7fffffffu : ~rising);
}

/// Every lane gets the sum of all 32.
DEVICE u64 warpTotal(u64 x) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    x += __shfl_xor_sync(kWholeWarp, x, distance);
  return x;
}

/// P: kVocabulary, kThreads, kMassBits. Methods are for all threads of the block at once. Loops over the row have one
/// body, however many values are loaded together: unrolled, compilers take many times as long over this kernel.
template <typename P> struct EditedRow {
  static constexpr int kThreads = P::kThreads;

  const u8 *logits; ///< of the row
  const SampleRow *how;
  const SampleEdit *edits;
  float max, scale, minWeight; ///< largest edited logit; 1 / temperature; least weight that min-p keeps
  u32 *edited;                 ///< bits of ids that have an edit

  __device__ __forceinline__ float edit(int id, float x) const {
    if (how->edits == 0 || !(edited[id / 32] >> id % 32 & 1))
      return x;
    int first = 0, last = how->edits - 1;
    while (first < last) {
      const int middle = (first + last) / 2;
      if (edits[middle].id < id)
        first = middle + 1;
      else
        last = middle;
    }
    const SampleEdit e = edits[first];
    if (e.flags & kEditForbidden)
      return -3.402823466e38f;
    // No step of these may be fused with the next: the host rounds each.
    if (e.flags & kEditSeen)
      x = x > 0.0f ? __fdiv_rn(x, how->repetition) : __fmul_rn(x, how->repetition);
    return __fadd_rn(__fsub_rn(x, e.subtract), e.bias);
  }
  __device__ __forceinline__ float raw(int id) const { return load<F32, 1>(logits + id * 4).v[0]; }
  __device__ __forceinline__ float weight(float x) const { return expNonPositive((x - max) * scale); }
  __device__ __forceinline__ u64 massOf(float weight) const {
    return __float2ull_rn(weight * static_cast<float>(1ull << P::kMassBits));
  }

  /// Calls use(id, logit) for the row.
  template <typename Use> __device__ __forceinline__ void forRow(Use use) const {
    constexpr int kWidth = P::kVocabulary % 4 == 0 ? 4 : 1;
#pragma unroll 1
    for (int id0 = static_cast<int>(threadIdx.x) * kWidth; id0 < P::kVocabulary; id0 += kThreads * kWidth) {
      const Vec<kWidth> x = load<F32, kWidth>(logits + id0 * 4);
#pragma unroll 1
      for (int i = 0; i < kWidth; ++i)
        use(id0 + i, edit(id0 + i, pick(x, i)));
    }
  }

  __device__ __forceinline__ void markEdits() const {
#pragma unroll 1
    for (int i = threadIdx.x; i < (P::kVocabulary + 31) / 32; i += kThreads)
      edited[i] = 0;
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.x; i < how->edits; i += kThreads)
      atomicOr(edited + edits[i].id / 32, 1u << edits[i].id % 32);
    __syncthreads();
  }
  /// Of the row with its edits.
  __device__ __forceinline__ Best bestOfRow() const {
    Best best = noColumn();
    forRow([&](int id, float x) { best = largerOf(best, {x, id}); });
    return blockBest<kThreads>(best);
  }
};
