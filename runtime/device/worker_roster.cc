// All work, some rest for a trial, they rest, all probe.
#include "runtime/device/worker_roster.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace llmc::rt {
namespace {

/// A rest must promise this much speed, since it takes a probe now and then.
constexpr double kLeastGain = 1.2;
/// CPUs that are taken at all; below, it is what daemons and kernel threads need.
constexpr double kQuiet = 0.3;
/// What a busy process of the same priority takes of a CPU.
constexpr double kRivalShare = 0.5;

/// How many workers should rest when `taken` CPUs are taken from `workers`.
uint32_t restingOf(double taken, uint32_t workers) {
  if (taken < kQuiet) return 0;
  const auto count = std::max(1L, std::lround(taken / kRivalShare));
  if (count >= static_cast<long>(workers)) return 0;
  const double all = workers * (1 - std::min(taken, kRivalShare)),
               fewer = static_cast<double>(workers) - static_cast<double>(count);
  return fewer >= kLeastGain * all ? static_cast<uint32_t>(count) : 0;
}

}  // namespace

void WorkerRoster::lengthenPause() { pause_ = std::min(2 * pause_, kLongestPause); }

void WorkerRoster::returnAll(State state) {
  active_ = workers_;
  state_ = state;
}

/// The `count` that waited longest change places with the last ones.
void WorkerRoster::rest(std::span<const double> waited, uint32_t count) {
  std::vector<uint32_t> order(workers_);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return waited[a] != waited[b] ? waited[a] < waited[b] : a < b; });
  active_ = workers_ - count;
  // Those that rest already, or work already, stay where they are.
  auto worst = order.begin() + active_;
  for (auto kept = order.begin(); kept != order.begin() + active_; ++kept) {
    if (*kept < active_) continue;
    while (*worst >= active_) ++worst;
    swaps_.emplace_back(*worst++, *kept);
  }
}

void WorkerRoster::update(std::span<const double> waited, double now) {
  swaps_.clear();
  const double taken = std::accumulate(waited.begin(), waited.begin() + active_, 0.0);
  // What only one look sees was a daemon's some milliseconds, and a rest would cost more.
  const bool again = std::exchange(suspected_, restingOf(taken, active_) > 0);
  switch (state_) {
    case State::kAll:
      if (now < until_ || !again) return;
      [[fallthrough]];
    case State::kProbe:
      if (const uint32_t count = restingOf(taken, workers_)) {
        if (state_ == State::kProbe) lengthenPause();
        rest(waited, count);
        before_ = taken;
        state_ = State::kTrial;
      } else if (state_ == State::kProbe) {
        pause_ = kFirstPause;
        returnAll(State::kAll);
      }
      return;
    case State::kTrial:
      // The others did not get their CPUs back: it is not what this was made for, and costs speed.
      if (taken > before_ / 2) {
        returnAll(State::kAll);
        lengthenPause();
      } else {
        state_ = State::kResting;
      }
      until_ = now + pause_ * look_;
      return;
    case State::kResting:
      if (now >= until_ || again) returnAll(State::kProbe);
      return;
  }
}

}  // namespace llmc::rt
