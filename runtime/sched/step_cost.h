// How long a step takes, as a function of its shape: what a simulation has in place of a machine.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/sched/step_plan.h"

namespace llmc::rt {

struct StepShape {
  uint32_t tokens = 0, sequences = 0, rows = 0;
  uint64_t attended = 0;  ///< sum over the step's tokens of the context each attends to: what attention reads
  uint32_t movedPages = 0;
};

StepShape shapeOf(const StepPlan& plan);

class StepCost {
 public:
  virtual ~StepCost() = default;
  /// Seconds, > 0. Const and without state: one may serve several simulations.
  virtual double seconds(const StepShape& shape) const = 0;
};

/// One measurement: a step of `tokens` tokens at a short context took `seconds`.
struct StepPoint {
  uint32_t tokens = 0;
  double seconds = 0;
};

/// Linear between measured points, since a matmul's cost bends with its number of rows (one row reads the weights as
/// fast as eight), plus what grows with the context and the rows.
class MeasuredStepCost final : public StepCost {
 public:
  /// `points`: at least one, ascending in tokens, none zero; below the first its time holds, beyond the last the last
  /// slope goes on. Error RT_STEP_COST (65).
  static Result<MeasuredStepCost> create(std::vector<StepPoint> points, double secondsPerAttended = 0,
                                         double secondsPerRow = 0, double secondsPerMovedPage = 0);
  double seconds(const StepShape& shape) const override;

 private:
  MeasuredStepCost() = default;
  std::vector<StepPoint> points_;
  double perAttended_ = 0, perRow_ = 0, perMovedPage_ = 0;
};

}  // namespace llmc::rt
