// Who is told what each measured step did and when.
#pragma once

#include "runtime/device/worker_pool.h"
#include "runtime/exec/bound_program.h"

namespace llmc::rt {

/// A step that has run. Valid during the call.
struct MeasuredStep {
  const BoundProgram& program;  ///< its origins() are those of walk.calls
  const Walk& walk;
  const WalkTimes& times;
  const Batch& batch;
};

/// Set by Executor::measure(); called by the thread that steps.
class StepObserver {
 public:
  virtual ~StepObserver() = default;
  /// From `now` (TSC) on all time counts, also between steps; begin() comes before the first add().
  virtual void begin(uint64_t now) = 0;
  virtual void add(const MeasuredStep& step) = 0;
  virtual void end(uint64_t now) = 0;
};

}  // namespace llmc::rt
