// Tells a loop that hangs from one that is slow, and from a machine that stood still.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/server/server.h"

namespace llmc::rt::serving {

/// A moment of all loops, as somebody outside saw it.
struct LifeSigns {
  bool working = false;   ///< the engine's loop is in a turn
  uint64_t turn = 0;      ///< its number
  uint64_t progress = 0;  ///< moves within a turn, where that can be known
  double p99Seconds = 0;  ///< of turns that ran a step; 0: none yet
  std::vector<server::IoSign> io;
  /// Nothing runs, nobody is connected, nobody owes an answer.
  bool idle() const;
};

struct WatchLimits {
  double stepSeconds = 30;  ///< or kOfP99 times the p99 of turns, whichever is longer
  double ioSeconds = 5;
};

/// A verdict.
struct Stall {
  enum class What : uint8_t { kNone, kStep, kIo } what = What::kNone;
  uint32_t io = 0;     ///< thread, of kIo
  double seconds = 0;  ///< without a sign of life, at least; up to a period more
  double limit = 0;    ///< seconds
  double period = 0;   ///< between two looks
};

/// Pure: times are seconds that the caller passes in. What counts is only time in which the judge was asked on time:
/// who comes late had no CPU either (a stopped process, a machine that slept or was full), so all begins again.
class StallJudge {
 public:
  static constexpr double kOfP99 = 20;

  explicit StallJudge(const WatchLimits& limits);
  /// Seconds between two looks: a stall is found that much before its limit at the soonest, and at the limit at the
  /// latest.
  double period() const { return period_; }
  Stall look(double now, const LifeSigns& signs);

 private:
  const WatchLimits limits_;
  const double period_;
  double last_ = -1;  ///< look; -1: none
  uint64_t turn_ = 0, progress_ = 0;
  double stepAge_ = 0;           ///< seconds without a sign
  std::vector<double> ioAges_;   ///< without a sign of life and without computing
  std::vector<double> ioSpans_;  ///< without a sign of life
  std::vector<double> computed_;
  std::vector<uint64_t> answered_;
};

}  // namespace llmc::rt::serving
