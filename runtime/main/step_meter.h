// Measures what steps of a loaded engine cost on this machine, for the simulation of loads.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/main/session.h"
#include "runtime/sched/step_cost.h"
#include "runtime/serving/batch_sampler.h"

namespace llmc::rt {

/// Takes some seconds, all workers, and the KV pages: `session` must have been opened with sharedKv and no sequence may
/// live in it. All shapes are run in rounds, so that a moment in which the machine does something else spoils no shape
/// alone; the median counts, sampling (greedy) included. What a server adds to a step is not: ServingMeter.
class StepMeter {
 public:
  explicit StepMeter(Session& session);

  /// `say` hears what is measured and how long that takes. Errors of Executor::step.
  Result<StepCosts> measure(const std::function<void(const std::string&)>& say = {});

 private:
  struct Shape {
    uint32_t sequences = 1, tokens = 1;  ///< tokens of each
    uint32_t start = 0;                  ///< of each
    bool allRows = false;                ///< a row for each sequence, not for the last alone
    std::vector<double> seconds = {};    ///< [round]
  };
  void chooseShapes();
  Status once(const Shape& shape);
  std::string outlook(double seconds) const;
  Status runRounds(const std::function<void(const std::string&)>& say);
  Result<StepCosts> costs();
  double slope(size_t near, uint32_t tokens) const;
  Result<double> secondsPerMove();

  Session& session_;
  serving::BatchSampler sampler_;
  SamplingParams greedy_;
  std::vector<int32_t> ids_, pages_;
  std::vector<StepSequence> step_;
  std::vector<serving::SampleTask> tasks_;
  std::vector<Shape> shapes_;          ///< those of tokens, of rows, then near and far twice
  size_t rowsAt_ = 0, contextAt_ = 0;  ///< in shapes_
  uint32_t context_ = 0;               ///< of the far ones; 0: too short to matter
};

/// Numbers of tokens or rows, ascending, from `first` to `most`. Products take rows in tiles, so a step's time goes up
/// in stairs: 17 tokens take as long as 24 and a third longer than 16, 129 as long as 160 and a fifth longer than 128,
/// which is a chunk beside one who decodes. Few counts are all measured, of more the ends of stairs, which get wider
/// with the counts. Pure.
std::vector<uint32_t> countsToMeasure(uint32_t first, uint32_t most);

}  // namespace llmc::rt
