// Ages grow by the time between two looks that were on time, and signs of life end them.
#include "runtime/serving/stall_judge.h"

#include <algorithm>

namespace llmc::rt::serving {
namespace {

constexpr double kLongestPeriod = 0.5;
/// A look that comes so many periods after the last one is late.
constexpr double kLate = 3;
/// One that comes within so many is on time, and what has passed counts; between the two it counts as one period.
constexpr double kOnTime = 1.5;

}  // namespace

bool LifeSigns::idle() const {
  return !working && std::all_of(io.begin(), io.end(), [](const server::IoSign& sign) {
    return sign.connections == 0 && sign.asked == sign.answered;
  });
}

StallJudge::StallJudge(const WatchLimits& limits)
    : limits_(limits), period_(std::min(kLongestPeriod, std::min(limits.stepSeconds, limits.ioSeconds) / 10)) {}

Stall StallJudge::look(double now, const LifeSigns& signs) {
  const bool late = last_ < 0 || now - last_ > kLate * period_;
  const double passed = now - last_ <= kOnTime * period_ ? now - last_ : period_;
  last_ = now;
  const auto grow = [&](double& age, bool alive) { age = alive || late ? 0 : age + passed; };

  grow(stepAge_, !signs.working || signs.turn != turn_ || signs.progress != progress_);
  turn_ = signs.turn;
  progress_ = signs.progress;
  ioAges_.resize(signs.io.size());
  ioSpans_.resize(signs.io.size());
  computed_.resize(signs.io.size());
  answered_.resize(signs.io.size());
  for (size_t i = 0; i < signs.io.size(); ++i) {
    const server::IoSign& sign = signs.io[i];
    const bool alive = sign.asked == sign.answered || sign.answered != answered_[i];
    grow(ioSpans_[i], alive);
    // One that computes, as over a huge answer, is slow and not stuck until it takes as long as a step may.
    grow(ioAges_[i], alive || sign.cpuSeconds - computed_[i] > passed / 2);
    answered_[i] = sign.answered;
    computed_[i] = sign.cpuSeconds;
  }

  // I/O first: a loop that waits for it is not the one that hangs.
  for (size_t i = 0; i < ioAges_.size(); ++i)
    if (ioAges_[i] >= limits_.ioSeconds - period_)
      return {Stall::What::kIo, static_cast<uint32_t>(i), ioAges_[i], limits_.ioSeconds, period_};
  for (size_t i = 0; i < ioSpans_.size(); ++i)
    if (ioSpans_[i] >= limits_.stepSeconds - period_)
      return {Stall::What::kIo, static_cast<uint32_t>(i), ioSpans_[i], limits_.stepSeconds, period_};
  const double limit = std::max(limits_.stepSeconds, kOfP99 * signs.p99Seconds);
  if (stepAge_ >= limit - period_) return {Stall::What::kStep, 0, stepAge_, limit, period_};
  return {};
}

}  // namespace llmc::rt::serving
