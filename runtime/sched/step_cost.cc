// Interpolation between measured steps.
#include "runtime/sched/step_cost.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace llmc::rt {

StepShape shapeOf(const StepPlan& plan) {
  StepShape shape{plan.tokens, static_cast<uint32_t>(plan.batch.size()), plan.rows, 0,
                  static_cast<uint32_t>(plan.moves.size())};
  for (const StepSequence& entry : plan.batch) {
    const uint64_t count = entry.tokens.size();
    shape.attended += count * entry.start + count * (count + 1) / 2;
  }
  return shape;
}

Result<MeasuredStepCost> MeasuredStepCost::create(std::vector<StepPoint> points, double secondsPerAttended,
                                                  double secondsPerRow, double secondsPerMovedPage) {
  const auto fault = [](std::string text) {
    return Status::error(ErrorKind::kBadInput, "RT_STEP_COST", std::move(text));
  };
  if (points.empty()) return fault("no step was measured");
  for (size_t i = 0; i < points.size(); ++i) {
    if (!(points[i].seconds > 0) || !std::isfinite(points[i].seconds) || points[i].tokens == 0)
      return fault("point " + std::to_string(i) + ": a step of " + std::to_string(points[i].tokens) + " tokens in " +
                   std::to_string(points[i].seconds) + " s");
    if (i > 0 && points[i].tokens <= points[i - 1].tokens)
      return fault("point " + std::to_string(i) + ": " + std::to_string(points[i].tokens) + " tokens after " +
                   std::to_string(points[i - 1].tokens));
  }
  for (const double each : {secondsPerAttended, secondsPerRow, secondsPerMovedPage})
    if (!(each >= 0) || !std::isfinite(each)) return fault("a cost is negative or not a number");
  MeasuredStepCost cost;
  cost.points_ = std::move(points);
  cost.perAttended_ = secondsPerAttended;
  cost.perRow_ = secondsPerRow;
  cost.perMovedPage_ = secondsPerMovedPage;
  return cost;
}

double MeasuredStepCost::seconds(const StepShape& shape) const {
  const double extra =
      perAttended_ * static_cast<double>(shape.attended) + perRow_ * shape.rows + perMovedPage_ * shape.movedPages;
  if (points_.size() == 1 || shape.tokens <= points_.front().tokens) return points_.front().seconds + extra;
  auto above = std::find_if(points_.begin() + 1, points_.end(),
                            [&](const StepPoint& point) { return point.tokens >= shape.tokens; });
  if (above == points_.end()) --above;
  const StepPoint &a = *(above - 1), &b = *above;
  const double along = (double{1} * shape.tokens - a.tokens) / (double{1} * b.tokens - a.tokens);
  // Noise may make a longer step look faster; beyond the points that must not go below what was measured.
  return std::max(a.seconds + along * (b.seconds - a.seconds), std::min(a.seconds, b.seconds)) + extra;
}

}  // namespace llmc::rt
