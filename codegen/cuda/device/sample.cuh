// A token of a row of logits as the host's sampler (runtime/sample) chooses it: filters and one draw. A block a row.
//
// Masses are whole numbers of 2^-kMassBits: their sums do not depend on an order, so that neither threads nor the
// batch change a token. The host adds the same weights as doubles.
#pragma once

/// P: kVocabulary, kTiles (of a row's argmax), kThreads, kMassBits. Methods are for all threads of the block at once;
/// tokens are right in the first thread.
template <typename P> struct RowSampler : EditedRow<P> {
  using Row = EditedRow<P>;
  using Row::edit, Row::raw, Row::weight, Row::massOf, Row::forRow, Row::how, Row::minWeight;
  static constexpr int kThreads = P::kThreads, kBins = 1024, kHeld = 2048;
  static constexpr int kSortedAtMost = 256; ///< more candidates of top-p than these are drawn by id, as on the host
  static constexpr int kBlocks = (P::kVocabulary + 63) / 64, kGroups = kThreads / 8;
  static constexpr int kRun = (kBlocks + kGroups - 1) / kGroups; ///< blocks of 64 logits of a group of 8 threads
  static constexpr u64 kEverything = ~0ull;
  static_assert(kRun <= kGroups && kBins % kThreads == 0, "a run's blocks and all bins are a few for each thread");
  static constexpr int kMassAt = kHeld * 8, kCountAt = kMassAt + kBins * 8, kEditedAt = kCountAt + kBins * 4;

  u64 *keys;  ///< [kHeld] candidates
  u64 *mass;  ///< [kBins]
  u32 *count; ///< [kBins]

  // --- draws by id ---

  __device__ __forceinline__ bool keeps(int id, float x, float weight, u64 limit) const {
    return weight >= minWeight && candidateKey(x, id) <= limit;
  }
  /// Mass of `length` blocks of 64 logits from block first + group * length on, given to the group's first thread.
  /// `all`: the sums of the blocks as the host rounds them. Else of what is kept alone.
  __device__ __forceinline__ u64 massOfRun(bool all, int first, int length, int groups, u64 limit) const {
    const int lane = threadIdx.x % 8, group = threadIdx.x / 8;
    u64 run = 0;
#pragma unroll 1
    for (int i = 0; i < length; ++i) {
      const int block = first + group * length + i, id0 = block * 64;
      const bool exists = group < groups && block < kBlocks, whole = id0 + 64 <= P::kVocabulary;
      // Of a short last block the host adds one after another: so does each thread here.
      const bool alone = all && !whole;
      const int step = alone ? 1 : 8, firstId = alone ? id0 : id0 + lane;
      const int end = !exists ? 0 : whole ? id0 + 64 : P::kVocabulary;
      float sum = 0.0f;
#pragma unroll 1
      for (int id = firstId; id < end; id += step * 4) {
        Vec<4> x;
#pragma unroll
        for (int j = 0; j < 4; ++j)
          x.v[j] = raw(id + j * step < end ? id + j * step : end - 1);
#pragma unroll 1
        for (int j = 0; j < 4 && id + j * step < end; ++j) {
          const float logit = edit(id + j * step, pick(x, j)), w = weight(logit);
          sum += w;
          run += !all && keeps(id + j * step, logit, w, limit) ? massOf(w) : 0;
        }
      }
#pragma unroll
      for (int distance = 1; distance < 8; distance *= 2) {
        const float other = __shfl_xor_sync(kWholeWarp, sum, distance);
        sum += alone ? 0.0f : other;
      }
      run += all && lane == 0 ? massOf(sum) : 0;
    }
#pragma unroll
    for (int distance = 1; distance < 8; distance *= 2)
      run += __shfl_xor_sync(kWholeWarp, run, distance);
    return lane == 0 ? run : 0;
  }
  /// The group in whose mass `target` falls, counted from the first one's start; target becomes the rest.
  __device__ __forceinline__ int chooseGroup(u64 run, u64 before, u64 &target) const {
    __shared__ int chosen;
    __shared__ u64 rest;
    if (before <= target && target - before < run) {
      chosen = threadIdx.x / 8;
      rest = target - before;
    }
    __syncthreads();
    const int group = chosen;
    target = rest;
    __syncthreads(); // read before the next call writes
    return group;
  }
  /// A draw among what is kept, by ascending id; `all`: among all. First the run of blocks, then the block in it.
  __device__ __forceinline__ int drawById(bool all, u64 limit) const {
    u64 target = 0;
    int block = 0;
#pragma unroll 1
    for (int length = kRun;; length = 1) {
      const bool runs = length > 1 || kRun == 1;
      u64 total;
      const u64 run = massOfRun(all, block, length, runs ? kGroups : kRun, limit);
      const u64 before = blockPrefix<kThreads>(run, total);
      if (runs)
        target = __umul64hi(randomBits(how->seed, how->position) << 11, total);
      block += chooseGroup(run, before, target) * length;
      if (length == 1)
        break;
    }
    __shared__ float weights[64];
    const int id0 = block * 64;
    if (const int id = id0 + static_cast<int>(threadIdx.x); threadIdx.x < 64) {
      float w = -1.0f; // not kept, or no token
      if (id < P::kVocabulary) {
        const float x = edit(id, raw(id));
        w = weight(x);
        if (!all && !keeps(id, x, w, limit))
          w = -1.0f;
      }
      weights[threadIdx.x] = w;
    }
    __syncthreads();
    return threadIdx.x == 0 ? chooseInBlock(all, weights, id0, target) : 0;
  }
  __device__ __forceinline__ int chooseInBlock(bool all, const float *weights, int id0, u64 target) const {
    int last = id0;
    double left = static_cast<double>(target) / static_cast<double>(1ull << P::kMassBits);
    u64 sum = 0;
#pragma unroll 1
    for (int i = 0; i < 64; ++i) {
      const float w = weights[i];
      if (w < 0.0f)
        continue;
      if (!all || w > 0.0f)
        last = id0 + i;
      left -= static_cast<double>(w);
      sum += massOf(w);
      if (all ? left < 0.0 : sum > target)
        return id0 + i;
    }
    return last; // what rounding has left over
  }

  // --- the best, in order ---

  /// Rises as logits fall: 40 bins for a factor e of the weight; the last one has the rest.
  __device__ __forceinline__ int bin(float x) const {
    return static_cast<int>(fminf((this->max - x) * this->scale * 40.0f, static_cast<float>(kBins - 1)));
  }
  /// Candidates up to a point of their order: those of lower bins, and of this bin those whose key begins with at most
  /// this. shift 64: the whole bin.
  struct Cut {
    int bin, shift;
    u64 prefix;
  };
  __device__ __forceinline__ int side(const Cut &cut, float x, u64 key) const {
    const int b = bin(x);
    if (b != cut.bin || cut.shift == 64)
      return b < cut.bin ? -1 : b > cut.bin;
    const u64 begin = key >> cut.shift;
    return begin < cut.prefix ? -1 : begin > cut.prefix;
  }
  /// Where a sum over the candidates in order has reached something.
  struct Found {
    int digit;
    u32 inside;      ///< candidates of this digit
    u64 count, mass; ///< of those before it
  };
  /// So many candidates, or so much of the mass.
  struct Goal {
    u64 count;
    double mass;
    __device__ __forceinline__ bool reached(u64 c, u64 m) const { return c >= count || static_cast<double>(m) >= mass; }
  };

  /// Counts and masses by bin (shift 64), or of the candidates on the edge of `cut` by the next bits of their keys.
  __device__ __forceinline__ void histogram(const Cut &cut, int shift) const {
#pragma unroll 1
    for (int i = threadIdx.x; i < kBins; i += kThreads)
      mass[i] = 0, count[i] = 0;
    __syncthreads();
    u64 lastCount = 0, lastMass = 0; // of the last bin, in which most of a row may be
    forRow([&](int id, float x) {
      const u64 key = candidateKey(x, id);
      int digit = bin(x);
      if (shift < 64) {
        if (side(cut, x, key) != 0)
          return;
        digit = static_cast<int>(key >> shift) & ((1 << (cut.shift - shift)) - 1);
      }
      const u64 m = massOf(weight(x));
      if (digit == kBins - 1) {
        ++lastCount, lastMass += m;
      } else {
        atomicAdd(count + digit, 1u);
        atomicAdd(mass + digit, m);
      }
    });
    lastCount = warpTotal(lastCount), lastMass = warpTotal(lastMass);
    if (threadIdx.x % 32 == 0) {
      atomicAdd(count + kBins - 1, static_cast<u32>(lastCount));
      atomicAdd(mass + kBins - 1, lastMass);
    }
    __syncthreads();
  }
  /// The first digit with which the goal is reached; the last one if none.
  __device__ __forceinline__ Found find(u64 countBefore, u64 massBefore, const Goal &goal) const {
    constexpr int kEach = kBins / kThreads;
    __shared__ Found found;
    u64 counts = 0, masses = 0, total;
#pragma unroll 1
    for (int i = 0; i < kEach; ++i)
      counts += count[threadIdx.x * kEach + i], masses += mass[threadIdx.x * kEach + i];
    u64 c = countBefore + blockPrefix<kThreads>(counts, total);
    u64 m = massBefore + blockPrefix<kThreads>(masses, total);
#pragma unroll 1
    for (int i = 0; i < kEach; ++i) {
      const int digit = threadIdx.x * kEach + i;
      const u64 nextC = c + count[digit], nextM = m + mass[digit];
      if (!goal.reached(c, m) && (digit == kBins - 1 || goal.reached(nextC, nextM)))
        found = {digit, count[digit], c, m};
      c = nextC, m = nextM;
    }
    __syncthreads();
    const Found result = found;
    __syncthreads(); // read before the next call writes
    return result;
  }
  /// The edge at which the goal is reached, with at most half of kHeld candidates on it.
  __device__ __forceinline__ Found findEdge(Cut &cut, const Goal &goal) const {
    Found found = {0, 0, 0, 0};
    cut = {0, 64, 0};
#pragma unroll 1
    for (int shift = 64;; shift = cut.shift < 10 ? 0 : cut.shift - 10) {
      histogram(cut, shift);
      found = find(found.count, found.mass, goal);
      if (shift == 64)
        cut.bin = found.digit;
      else
        cut.prefix = cut.prefix << (cut.shift - shift) | static_cast<u64>(found.digit), cut.shift = shift;
      if (found.inside <= kHeld / 2)
        return found;
    }
  }
  /// keys[0, result) become the candidates on the edge, with `whole` those before it too, sorted.
  __device__ __forceinline__ int hold(const Cut &cut, bool whole) const {
    __shared__ int held;
    if (threadIdx.x == 0)
      held = 0;
    __syncthreads();
    forRow([&](int id, float x) {
      const u64 key = candidateKey(x, id);
      const int where = side(cut, x, key);
      if (where == 0 || (whole && where < 0))
        keys[atomicAdd(&held, 1)] = key;
    });
    __syncthreads();
    const int n = held;
    int size = 1;
    while (size < n)
      size *= 2;
#pragma unroll 1
    for (int i = n + static_cast<int>(threadIdx.x); i < size; i += kThreads)
      keys[i] = kEverything;
    __syncthreads();
#pragma unroll 1
    for (int length = 2; length <= size; length *= 2)
#pragma unroll 1
      for (int distance = length / 2; distance > 0; distance /= 2) {
#pragma unroll 1
        for (int i = threadIdx.x; i < size / 2; i += kThreads) {
          const int a = 2 * i - (i & (distance - 1)), b = a + distance;
          const u64 x = keys[a], y = keys[b];
          if ((x > y) == ((a & length) == 0))
            keys[a] = y, keys[b] = x;
        }
        __syncthreads();
      }
    return n;
  }
  /// Of the first n held candidates, those with at least `least` weight: the first up to which their mass, and `before`,
  /// is at least `wanted`, or share times all of it when wanted is below 0, or, to draw, above what the random number
  /// says; n if none.
  __device__ __forceinline__ int firstOfHeld(int n, float least, bool draw, double wanted, u64 before) const {
    constexpr int kEach = kHeld / kThreads;
    const int begin = static_cast<int>(threadIdx.x) * kEach;
    __shared__ int first;
    if (threadIdx.x == 0)
      first = n;
    u64 sum = 0, total = 0, target = 0;
#pragma unroll 1
    for (int pass = 0; pass < 2; ++pass) {
      u64 at = sum;
#pragma unroll 1
      for (int i = begin; i < begin + kEach && i < n; ++i) {
        const float w = weight(logitOf(keys[i]));
        at += w >= least ? massOf(w) : 0;
        if (pass == 1 && (draw ? at > target : static_cast<double>(before + at) >= wanted)) {
          atomicMin(&first, i);
          break;
        }
      }
      if (pass == 1)
        break;
      sum = blockPrefix<kThreads>(at, total);
      if (draw)
        target = __umul64hi(randomBits(how->seed, how->position) << 11, total);
      else if (wanted < 0.0)
        wanted = how->topP * static_cast<double>(total);
    }
    __syncthreads();
    const int result = first;
    __syncthreads(); // read before the next call writes
    return result;
  }

  /// top-k, top-p, or both; the share of top-p alone counts against the whole row.
  __device__ __forceinline__ int drawOfBest() const {
    const bool byCount = how->topK > 0;
    Goal goal = {static_cast<u64>(how->topK < P::kVocabulary ? how->topK : P::kVocabulary), 1e300};
    if (!byCount) {
      u64 all;
      blockPrefix<kThreads>(massOfRun(true, 0, kRun, kGroups, kEverything), all);
      goal = {kEverything, how->topP * static_cast<double>(all)};
    }
    Cut cut;
    const Found edge = findEdge(cut, goal);
    const bool whole = byCount || edge.count < kSortedAtMost;
    const int held = hold(cut, whole);
    int n = byCount ? static_cast<int>(goal.count) : held;
    // First where the share ends, then the draw.
#pragma unroll 1
    for (bool draw = !(how->topP < 1.0);; draw = true) {
      const int i = firstOfHeld(n, draw ? minWeight : 0.0f, draw, byCount ? -1.0 : goal.mass, whole ? 0 : edge.mass);
      if (draw)
        return static_cast<int>(static_cast<u32>(keys[i < n ? i : n - 1]));
      if (!byCount && !(whole && i < n && i < kSortedAtMost))
        return drawById(false, i < n ? keys[i] : kEverything);
      n = i < n ? i + 1 : n;
    }
  }

  /// -1 where the host must choose, or say what is wrong.
  __device__ __forceinline__ int choose(Best best) {
    if (how->edits > 0) {
      this->markEdits();
      best = this->bestOfRow();
    }
    if (!(fabsf(best.value) < 3.402823466e38f)) // nothing is possible, or an edit overflowed
      return -1;
    if (how->mode == kSampleBest)
      return best.column;
    this->max = best.value;
    this->scale = how->scale;
    minWeight = how->minWeight;
    if (how->topK > 0 || how->topP < 1.0)
      return drawOfBest();
    return drawById(!(minWeight > 0.0f), kEverything);
  }
};

/// The token of row `row`: by its request, the best one where the batch has no requests. -1: the host chooses.
template <typename P>
DEVICE int sampleRow(u8 *shared, const u8 *logits, const u8 *tiles, const Batch *batch, int row) {
  using S = RowSampler<P>;
  const SampleRow *const how = batch->samples ? batch->samples + row : nullptr;
  if (how && how->mode == kSampleHost)
    return -1;
  Best best = noColumn();
#pragma unroll 1
  for (int i = threadIdx.x; i < P::kTiles; i += P::kThreads) {
    const float *const tile = reinterpret_cast<const float *>(tiles) + i;
    best = largerOf(best, {tile[0], static_cast<int>(tile[P::kTiles])});
  }
  best = blockBest<P::kThreads>(best);
  if (!(best.value < __uint_as_float(0x7f800000u)))
    return -1;
  if (!how)
    return best.column;
  S sampler;
  sampler.logits = logits;
  sampler.how = how;
  sampler.edits = batch->edits + how->firstEdit;
  sampler.keys = reinterpret_cast<u64 *>(shared);
  sampler.mass = reinterpret_cast<u64 *>(shared + S::kMassAt);
  sampler.count = reinterpret_cast<u32 *>(shared + S::kCountAt);
  sampler.edited = reinterpret_cast<u32 *>(shared + S::kEditedAt);
  return sampler.choose(best);
}
