// Numbers that the host's sampler would compute are computed as it does; edits are sorted, one an id.
#include "runtime/sample/sample_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace llmc::rt {
namespace {

/// Beside cuda::kEdit*, while edits are merged: the edit has a bias.
constexpr uint32_t kBiased = 1u << 31;

/// The least float f with: weight >= f exactly where double(weight) >= value.
float roundedUp(double value) {
  const auto nearest = static_cast<float>(value);
  return static_cast<double>(nearest) < value ? std::nextafterf(nearest, std::numeric_limits<float>::infinity())
                                              : nearest;
}

}  // namespace

void SampleRows::begin(uint32_t rows) {
  rows_.assign(rows, {});
  edits_.clear();
}

/// One edit of each kind for an id; mergeEdits() makes one of them.
bool SampleRows::addEdits(const SampleRequest& request) {
  const SamplingParams& params = *request.params;
  const size_t first = edits_.size();
  if (params.penalizes() && request.history)
    for (const int32_t id : request.history->distinct()) {
      const uint32_t times = request.history->timesGenerated(id);
      const double subtract = times > 0 ? params.presencePenalty + params.frequencyPenalty * times : 0;
      edits_.push_back({id, cuda::kEditSeen, static_cast<float>(subtract), 0});
    }
  for (const auto& [id, bias] : params.logitBias) edits_.push_back({id, kBiased, 0, bias});
  if (request.generated < params.minTokens)
    for (const int32_t id : request.stopIds)
      if (id >= 0 && static_cast<uint32_t>(id) < vocabulary_) edits_.push_back({id, cuda::kEditForbidden, 0, 0});
  return mergeEdits(first) && edits_.size() <= cuda::kMostEdits;
}

bool SampleRows::mergeEdits(size_t first) {
  const auto begin = edits_.begin() + static_cast<ptrdiff_t>(first);
  const auto byId = [](const auto& a, const auto& b) { return a.id < b.id; };
  if (!std::is_sorted(begin, edits_.end(), byId)) std::sort(begin, edits_.end(), byId);  // those of a history are
  auto last = begin;
  for (auto edit = begin; edit != edits_.end(); ++edit) {
    if (edit == begin || edit->id != last->id) {
      last = edit == begin ? begin : last + 1;
      *last = *edit;
      continue;
    }
    if (last->flags & edit->flags & kBiased) return false;  // two roundings in an order of their own
    last->flags |= edit->flags;
    last->subtract += edit->subtract;
    last->bias += edit->bias;
  }
  if (begin != edits_.end()) edits_.erase(last + 1, edits_.end());
  for (size_t i = first; i < edits_.size(); ++i) edits_[i].flags &= ~kBiased;
  return true;
}

bool SampleRows::add(uint32_t row, const SampleRequest& request) {
  const SamplingParams& params = *request.params;
  const bool drawn = !params.greedy();
  if (params.logprobs >= 0 || params.restricts()) return false;
  if (drawn && (params.typicalP < 1 || params.topK > cuda::kMostTopK)) return false;
  const size_t first = edits_.size();
  if (!addEdits(request)) {
    edits_.resize(first);
    return false;
  }
  cuda::SampleRow& out = rows_[row];
  out.seed = params.seed;
  out.position = request.position;
  out.topP = params.topP;
  out.minWeight = roundedUp(params.minP);
  out.scale = static_cast<float>(1.0 / std::max(params.temperature, 1e-6));
  out.repetition = static_cast<float>(params.repetitionPenalty);
  out.mode = drawn ? cuda::SampleMode::kDraw : cuda::SampleMode::kBest;
  out.topK = std::max(params.topK, 0);
  out.firstEdit = static_cast<int32_t>(first);
  out.edits = static_cast<int32_t>(edits_.size() - first);
  return true;
}

}  // namespace llmc::rt
