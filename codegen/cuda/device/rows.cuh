// What rows need beyond arithmetic: angles of the rotary embedding, and the parts of a split context as one.
#pragma once

/// Cosines and sines of N neighbouring pairs.
template <int N> struct Turn {
  Vec<N> cosine, sine;
};
/// Angles of pairs [first, first + N) at `position`, by addition of the angle of a multiple of 256 and of the rest. A row
/// of the table: dim / 2 cosines, then as many sines; `highRows` rows of multiples of 256, then the 256 rows of the rest.
template <int N> DEVICE Turn<N> ropeTurn(const u8 *table, int highRows, int dim, int position, int first) {
  const float *const high = reinterpret_cast<const float *>(table) + static_cast<i64>(position / 256) * dim + first;
  const float *const low = reinterpret_cast<const float *>(table) + static_cast<i64>(highRows + position % 256) * dim + first;
  Turn<N> turn;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float ca = high[i], sa = high[dim / 2 + i], cb = low[i], sb = low[dim / 2 + i];
    turn.cosine.v[i] = fmaf(ca, cb, -(sa * sb));
    turn.sine.v[i] = fmaf(sa, cb, ca * sb);
  }
  return turn;
}

/// Splits whose loads are under way together: one after another, each would wait for memory.
template <int kSplits> constexpr int kTogether = kSplits < 8 ? kSplits : 8;

/// Parts of one head: for each split kDim sums of exp(z - m) * v, then m, then the sum l of exp(z - m); all f32.
/// Factors exp(m_i - m) / sum of the splits; 0 for one without keys. `sink`: null, or a logit whose weight the sum has, too.
template <int kSplits, int kDim> DEVICE void mergeFactors(float *factors, const u8 *parts, const float *sink = nullptr) {
  const float *const maxima = reinterpret_cast<const float *>(parts) + kDim;
  float top = maxima[0];
#pragma unroll kTogether<kSplits>
  for (int i = 1; i < kSplits; ++i)
    top = fmaxf(top, maxima[i * (kDim + 2)]);
  float sum = 0.0f;
  for (int first = 0; first < kSplits; first += kTogether<kSplits>) {
    float factor[kTogether<kSplits>], weight[kTogether<kSplits>];
#pragma unroll
    for (int i = 0; i < kTogether<kSplits>; ++i)
      if (first + i < kSplits) {
        factor[i] = maxima[(first + i) * (kDim + 2)];
        weight[i] = maxima[(first + i) * (kDim + 2) + 1];
      }
#pragma unroll
    for (int i = 0; i < kTogether<kSplits>; ++i)
      if (first + i < kSplits) {
        factor[i] = expf(factor[i] - top);
        factors[first + i] = factor[i];
        sum = fmaf(factor[i], weight[i], sum);
      }
  }
  if (sink)
    sum += expf(*sink - top);
  const float inverse = 1.0f / sum;
  for (int i = 0; i < kSplits; ++i)
    factors[i] *= inverse;
}

/// N neighbouring columns of the merged head; `parts`: the first of them in the first part.
template <int kSplits, int kDim, int N> DEVICE Vec<N> mergeParts(const float *factors, const u8 *parts) {
  constexpr int kVector = N % 2 == 0 && kDim % 2 == 0 ? 2 : 1;
  Vec<N> sum = {};
  for (int first = 0; first < kSplits; first += kTogether<kSplits>) {
    Vec<kVector> x[kTogether<kSplits>][N / kVector];
    float factor[kTogether<kSplits>];
#pragma unroll
    for (int i = 0; i < kTogether<kSplits>; ++i) {
      factor[i] = first + i < kSplits ? factors[first + i] : 0.0f;
#pragma unroll
      for (int j = 0; j < N / kVector; ++j) {
        x[i][j] = {};
        // A part without keys may hold anything, a NaN too, and need not be read.
        if (factor[i] != 0.0f)
          x[i][j] = load<F32, kVector>(parts + ((first + i) * (kDim + 2) + j * kVector) * 4);
      }
    }
#pragma unroll
    for (int i = 0; i < kTogether<kSplits>; ++i)
#pragma unroll
      for (int j = 0; j < N; ++j)
        sum.v[j] = fmaf(factor[i], x[i][j / kVector].v[j % kVector], sum.v[j]);
  }
  return sum;
}
