// Sums of measured walks.
#include "runtime/exec/step_profile.h"

#include <algorithm>

namespace llmc::rt {
namespace {

/// Tokens in the cache that a step reads, and pairs of a token and one that it sees.
struct Attended {
  double context = 0, pairs = 0;
};

Attended attendedBy(const Batch& batch, uint32_t window) {
  Attended sum;
  for (int32_t s = 0; s < batch.sequences; ++s) {
    const int64_t context = batch.contextLens[s];
    const int64_t tokens = batch.queryStarts[s + 1] - batch.queryStarts[s];
    const int64_t most = window ? int64_t{window} : context;
    for (int64_t seen = context - tokens + 1; seen <= context; ++seen)
      sum.pairs += static_cast<double>(std::min(seen, most));
    sum.context += static_cast<double>(std::min(context, most + tokens - 1));
  }
  return sum;
}

}  // namespace

void StepProfile::addCalls(const MeasuredStep& step) {
  const WalkTimes& times = step.times;
  const Attended attended = attendedBy(step.batch, window_);
  const auto workers = static_cast<double>(times.starts.size());
  for (size_t call = 0; call < step.walk.calls.size(); ++call) {
    const auto& origin = step.program.origins()[call];
    uint64_t sum = 0, slowest = 0;
    for (size_t worker = 0; worker < times.starts.size(); ++worker) {
      const uint64_t spent = times.ends[worker][call] - times.starts[worker][call];
      sum += spent;
      slowest = std::max(slowest, spent);
    }
    Entry& entry = kernels_[{origin.kernel, origin.variant}];
    ++entry.calls;
    entry.rows += static_cast<uint64_t>(origin.onRows ? step.batch.rows : step.batch.tokens);
    entry.context += attended.context;
    entry.attended += attended.pairs;
    entry.ticks += static_cast<double>(sum) / workers;
    entry.slowest += static_cast<double>(slowest);
  }
}

void StepProfile::addPhases(const MeasuredStep& step) {
  const WalkTimes& times = step.times;
  const auto workers = static_cast<double>(times.starts.size());
  uint64_t begin = times.begin;
  uint32_t call = 0;
  std::vector<Key> key;
  for (size_t p = 0; p < step.walk.phaseEnds.size(); ++p) {
    key.clear();
    uint64_t working = 0;
    for (; call < step.walk.phaseEnds[p]; ++call) {
      key.emplace_back(step.program.origins()[call].kernel, step.program.origins()[call].variant);
      for (size_t worker = 0; worker < times.starts.size(); ++worker)
        working += times.ends[worker][call] - times.starts[worker][call];
    }
    const uint64_t end = times.opens[0][p];
    const auto ticks = static_cast<double>(end - begin);
    Phase& phase = phases_[key];
    ++phase.count;
    phase.ticks += ticks;
    phase.waitTicks += ticks - static_cast<double>(working) / workers;
    waitTicks_ += ticks - static_cast<double>(working) / workers;
    begin = end;
  }
}

void StepProfile::add(const MeasuredStep& step) {
  addCalls(step);
  addPhases(step);
  idleTicks_ += static_cast<double>(step.times.begin - last_);
  ticks_ += static_cast<double>(step.times.end - last_);
  last_ = step.times.end;
  ++steps_;
}

void StepProfile::end(uint64_t now) {
  idleTicks_ += static_cast<double>(now - last_);
  ticks_ += static_cast<double>(now - last_);
  last_ = now;
}

}  // namespace llmc::rt
