// Reference of rope, the cache and attention.
#include "dialects/Reference/Eval.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace llmc::reference {

Tensor rope(const Tensor& x, const Batch& batch, llm::RopeAttr rope, int64_t headDim) {
  Tensor y = x;
  int64_t half = rope.getDim() / 2;
  bool neox = rope.getStyle() == llm::RopeStyle::Neox;
  for (int64_t t = 0; t < x.rows; ++t)
    for (int64_t head = 0; head < x.cols; head += headDim)
      for (int64_t i = 0; i < half; ++i) {
        double angle = batch.positions[t] * rope.frequency(i);
        int64_t a = head + (neox ? i : 2 * i), b = head + (neox ? i + half : 2 * i + 1);
        y.at(t, a) = x.at(t, a) * std::cos(angle) - x.at(t, b) * std::sin(angle);
        y.at(t, b) = x.at(t, a) * std::sin(angle) + x.at(t, b) * std::cos(angle);
      }
  return y;
}

void kvWrite(KvCache& kv, const Tensor& k, const Tensor& v, const Batch& batch, int64_t layer,
             std::optional<llm::QuantKind> kind) {
  for (int64_t t = 0; t < k.rows; ++t) {
    int64_t position = batch.positions[t];
    int64_t page = batch.blockTable[batch.tokenSeq[t]][position / kv.pageTokens], offset = position % kv.pageTokens;
    for (int64_t h = 0; h < kv.heads; ++h) {
      std::vector<double> key, value;
      for (int64_t d = 0; d < kv.dim; ++d) {
        key.push_back(k.at(t, h * kv.dim + d));
        value.push_back(v.at(t, h * kv.dim + d));
      }
      if (kind) storeAs(*kind, key);
      if (kind) storeAs(*kind, value);
      for (int64_t d = 0; d < kv.dim; ++d) {
        kv.key(layer, h, page, offset, d) = key[static_cast<size_t>(d)];
        kv.value(layer, h, page, offset, d) = value[static_cast<size_t>(d)];
      }
    }
  }
}

/// One query head over positions [begin, end): writes dim sums of exp(z - m) * v, then m, then l.
static void attendRange(const Tensor& q, const KvCache& kv, const Batch& batch, const AttendParams& params, int64_t t,
                        int64_t head, int64_t begin, int64_t end, double* out) {
  const std::vector<int32_t>& pages = batch.blockTable[batch.tokenSeq[t]];
  int64_t kvHead = head / (params.heads / kv.heads);
  int64_t position = batch.positions[t];
  end = std::min(end, position + 1);
  if (params.window > 0) begin = std::max(begin, position - params.window + 1);
  double& m = out[kv.dim];
  double& l = out[kv.dim + 1];
  std::fill(out, out + kv.dim, 0.0);
  m = -std::numeric_limits<double>::infinity();
  l = 0;
  std::vector<double> z;
  for (int64_t j = begin; j < end; ++j) {
    double dot = 0;
    for (int64_t d = 0; d < kv.dim; ++d)
      dot += q.at(t, head * kv.dim + d) * kv.key(params.layer, kvHead, pages[j / kv.pageTokens], j % kv.pageTokens, d);
    dot *= params.scale;
    z.push_back(params.softcap > 0 ? params.softcap * std::tanh(dot / params.softcap) : dot);
    m = std::max(m, z.back());
  }
  for (int64_t j = begin; j < end; ++j) {
    double weight = std::exp(z[j - begin] - m);
    l += weight;
    for (int64_t d = 0; d < kv.dim; ++d)
      out[d] += weight * kv.value(params.layer, kvHead, pages[j / kv.pageTokens], j % kv.pageTokens, d);
  }
}

Tensor attendPartial(const Tensor& q, const KvCache& kv, const Batch& batch, const AttendParams& params,
                     int64_t splits) {
  int64_t width = kv.dim + 2;
  Tensor y(q.rows, params.heads * splits * width);
  for (int64_t t = 0; t < q.rows; ++t) {
    int64_t length = batch.contextLens[batch.tokenSeq[t]];
    int64_t share = (length + splits - 1) / splits;
    int64_t unit = std::max<int64_t>(64, (share + 15) / 16 * 16);
    for (int64_t head = 0; head < params.heads; ++head)
      for (int64_t i = 0; i < splits; ++i)
        attendRange(q, kv, batch, params, t, head, i * unit, std::min(length, (i + 1) * unit),
                    &y.at(t, (head * splits + i) * width));
  }
  return y;
}

/// What the sink of a head adds to the sum of weights relative to exp(m).
static double sinkWeight(const Tensor* sinks, int64_t head, double m) {
  return sinks ? std::exp(sinks->at(head) - m) : 0;
}

Tensor attendMerge(const Tensor& p, int64_t heads, int64_t headDim, int64_t splits, const Tensor* sinks) {
  int64_t width = headDim + 2;
  Tensor y(p.rows, heads * headDim);
  for (int64_t t = 0; t < p.rows; ++t)
    for (int64_t head = 0; head < heads; ++head) {
      auto part = [&](int64_t i, int64_t d) { return p.at(t, (head * splits + i) * width + d); };
      double m = -std::numeric_limits<double>::infinity(), l = 0;
      for (int64_t i = 0; i < splits; ++i) m = std::max(m, part(i, headDim));
      for (int64_t i = 0; i < splits; ++i) l += std::exp(part(i, headDim) - m) * part(i, headDim + 1);
      l += sinkWeight(sinks, head, m);
      for (int64_t i = 0; i < splits; ++i)
        for (int64_t d = 0; d < headDim; ++d)
          y.at(t, head * headDim + d) += std::exp(part(i, headDim) - m) * part(i, d) / l;
    }
  return y;
}

Tensor attend(const Tensor& q, const KvCache& kv, const Batch& batch, const AttendParams& params, const Tensor* sinks) {
  Tensor y(q.rows, params.heads * kv.dim);
  std::vector<double> part(static_cast<size_t>(kv.dim + 2));
  for (int64_t t = 0; t < q.rows; ++t)
    for (int64_t head = 0; head < params.heads; ++head) {
      attendRange(q, kv, batch, params, t, head, 0, batch.contextLens[batch.tokenSeq[t]], part.data());
      const double total = part[kv.dim + 1] + sinkWeight(sinks, head, part[kv.dim]);
      for (int64_t d = 0; d < kv.dim; ++d) y.at(t, head * kv.dim + d) = part[d] / total;
    }
  return y;
}

}  // namespace llmc::reference
