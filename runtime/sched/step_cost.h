// How long a step takes, as a function of its shape: what a simulation has in place of a machine.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/sched/step_plan.h"

namespace llmc::rt {

struct StepShape {
  uint32_t tokens = 0, sequences = 0, rows = 0;
  uint64_t attended = 0;       ///< sum over the step's tokens of the context each attends to: what attention reads
  uint64_t attendedAlone = 0;  ///< of these, by tokens that came alone: attention has other code for them
  uint32_t movedPages = 0;
};

StepShape shapeOf(const StepPlan& plan);

/// What a step's company is: sequences that all decode, prompts beside such, prompts alone.
enum class StepKind : uint8_t { kDecode, kMixed, kPrompts };
constexpr size_t kStepKinds = 3;
StepKind kindOf(const StepShape& shape);

class StepCost {
 public:
  virtual ~StepCost() = default;
  /// Seconds, > 0. Const and without state: one may serve several simulations.
  virtual double seconds(const StepShape& shape) const = 0;
  /// What the `nth` step of a kind takes, as a share of seconds(): on a real machine no two steps take the same time.
  virtual double variation(StepKind, uint64_t /*nth*/) const { return 1; }
  /// Seconds of a request beside its steps.
  virtual double requestSeconds() const { return 0; }
};

/// One measurement: a step of so many tokens (or rows) took `seconds`.
struct StepPoint {
  uint32_t count = 0;
  double seconds = 0;
};

/// What was measured of one engine on one machine.
struct StepCosts {
  std::vector<StepPoint> tokens;  ///< steps with one row at a short context
  std::vector<StepPoint> rows;    ///< what so many rows and their sampling add to that, from 2 on; none: nothing
  double perAttended = 0;         ///< seconds for each token of context that a prompt token attends to
  double perAttendedAlone = 0;    ///< the same for tokens that come alone
  double perMovedPage = 0;        ///< seconds
  /// What serving adds to a step with so many rows, from 1 on; none: nothing. Below 0: steps that follow each other as
  /// they are served were faster than by themselves.
  std::vector<StepPoint> served = {};
  double perRequest = 0;  ///< seconds of a request beside its steps: until it is planned, after its first token
  /// [kind] What steps of a served load took, one after the other, as shares of what all of the above says; none: 1.
  std::array<std::vector<double>, kStepKinds> variation = {};
};

/// {"tokens": [[1, 0.004], ...], "rows": [[2, 0.0001], ...], "per_attended": S, "per_attended_alone": S,
/// "per_moved_page": S, "served": [[1, 0.0002], ...], "per_request": S, "variation": {"decode": [1.02, ...], "mixed":
/// [...], "prompts": [...]}}: the "step_cost" of what `llmc-run --simulate --json` prints.
std::string stepCostsJson(const StepCosts& costs);
/// Reads that object, without the last three fields, too, or one that has it as its "step_cost". Error RT_STEP_COST
/// (65) names the field, or what is there instead, and how to make such a file.
Result<StepCosts> parseStepCosts(std::string_view text);

/// Linear between measured points, since a matmul's cost bends with its number of rows (one row reads the weights as
/// fast as eight), plus what grows with the context and the rows.
class MeasuredStepCost final : public StepCost {
 public:
  /// `costs.tokens`: at least one point, ascending, none zero; below the first its time holds, beyond the last the last
  /// slope goes on. `costs.rows` goes up from (1, 0). Error RT_STEP_COST (65).
  static Result<MeasuredStepCost> create(StepCosts costs);
  double seconds(const StepShape& shape) const override;
  /// The measured ones in their order, again from the first behind the last: a machine that is slow for a moment is so
  /// for several steps.
  double variation(StepKind kind, uint64_t nth) const override;
  double requestSeconds() const override { return costs_.perRequest; }

 private:
  MeasuredStepCost() = default;
  StepCosts costs_;
};

}  // namespace llmc::rt
