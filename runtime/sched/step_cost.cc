// Interpolation between measured steps, and their file.
#include "runtime/sched/step_cost.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace llmc::rt {

StepShape shapeOf(const StepPlan& plan) {
  StepShape shape{plan.tokens, static_cast<uint32_t>(plan.batch.size()), plan.rows, 0,
                  0,           static_cast<uint32_t>(plan.moves.size())};
  for (const StepSequence& entry : plan.batch) {
    const uint64_t count = entry.tokens.size();
    const uint64_t attended = count * entry.start + count * (count + 1) / 2;
    shape.attended += attended;
    if (count == 1 || entry.apart) shape.attendedAlone += attended;
  }
  return shape;
}

StepKind kindOf(const StepShape& shape) {
  if (shape.tokens == shape.rows) return StepKind::kDecode;
  return shape.attendedAlone > 0 ? StepKind::kMixed : StepKind::kPrompts;
}

namespace {

constexpr std::array<const char*, kStepKinds> kKindNames = {"decode", "mixed", "prompts"};

using Json = nlohmann::ordered_json;

Status fault(std::string text) { return Status::error(ErrorKind::kBadInput, "RT_STEP_COST", std::move(text)); }

Status checkPoints(const char* name, const std::vector<StepPoint>& points, double least) {
  for (size_t i = 0; i < points.size(); ++i) {
    const std::string where = std::string(name) + " " + std::to_string(i) + ": ";
    if (!(points[i].seconds >= least) || !std::isfinite(points[i].seconds) || points[i].count == 0)
      return fault(where + std::to_string(points[i].count) + " in " + std::to_string(points[i].seconds) + " s");
    if (i > 0 && points[i].count <= points[i - 1].count)
      return fault(where + std::to_string(points[i].count) + " after " + std::to_string(points[i - 1].count));
  }
  return Status::ok();
}

/// Between neighbouring points; beyond the last the last slope goes on.
double along(const std::vector<StepPoint>& points, uint32_t count) {
  if (points.size() == 1 || count <= points.front().count) return points.front().seconds;
  auto above = std::find_if(points.begin() + 1, points.end(), [&](const StepPoint& p) { return p.count >= count; });
  if (above == points.end()) --above;
  const StepPoint &a = *(above - 1), &b = *above;
  const double share = (double{1} * count - a.count) / (double{1} * b.count - a.count);
  // Noise may make a longer step look faster; beyond the points that must not go below what was measured.
  return std::max(a.seconds + share * (b.seconds - a.seconds), std::min(a.seconds, b.seconds));
}

Json pointsJson(const std::vector<StepPoint>& points) {
  Json list = Json::array();
  for (const StepPoint& point : points) list.push_back({point.count, point.seconds});
  return list;
}

Status readPoints(const Json& json, const char* name, std::vector<StepPoint>& into) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_array()) return fault(std::string("no list \"") + name + "\"");
  for (const Json& one : *found) {
    if (!one.is_array() || one.size() != 2 || !one[0].is_number_unsigned() || one[0].get<uint64_t>() > UINT32_MAX ||
        !one[1].is_number())
      return fault(std::string("\"") + name + "\" has " + escaped(one.dump()) + ", [count, seconds] is expected");
    into.push_back({one[0].get<uint32_t>(), one[1].get<double>()});
  }
  return Status::ok();
}

Status readVariation(const Json& json, std::array<std::vector<double>, kStepKinds>& into) {
  for (size_t kind = 0; kind < kStepKinds; ++kind) {
    const std::string name = std::string("\"variation\".\"") + kKindNames[kind] + "\"";
    const auto found = json.is_object() ? json.find(kKindNames[kind]) : json.end();
    if (found == json.end() || !found->is_array()) return fault("no list " + name);
    for (const Json& one : *found) {
      if (!one.is_number()) return fault(name + " has " + escaped(one.dump()) + ", a number is expected");
      into[kind].push_back(one.get<double>());
    }
  }
  return Status::ok();
}

/// The first keys of `json`: "completed", "duration", ...
std::string keysOf(const Json& json) {
  constexpr size_t kMost = 4;
  std::string text;
  size_t count = 0;
  for (const auto& [key, value] : json.items()) {
    if (++count > kMost) return text + ", ...";
    text += (count == 1 ? "\"" : ", \"") + escaped(key, 40) + "\"";
  }
  return count == 0 ? "nothing" : text;
}

Result<StepCosts> readCosts(const Json& json) {
  StepCosts costs;
  LLMC_TRY(readPoints(json, "tokens", costs.tokens));
  LLMC_TRY(readPoints(json, "rows", costs.rows));
  const std::pair<const char*, double*> numbers[] = {{"per_attended", &costs.perAttended},
                                                     {"per_attended_alone", &costs.perAttendedAlone},
                                                     {"per_moved_page", &costs.perMovedPage}};
  for (const auto& [name, into] : numbers) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_number()) return fault(std::string("no number \"") + name + "\"");
    *into = found->get<double>();
  }
  if (json.contains("served")) LLMC_TRY(readPoints(json, "served", costs.served));
  if (const auto found = json.find("per_request"); found != json.end()) {
    if (!found->is_number()) return fault("no number \"per_request\"");
    costs.perRequest = found->get<double>();
  }
  if (const auto found = json.find("variation"); found != json.end()) LLMC_TRY(readVariation(*found, costs.variation));
  LLMC_TRY(MeasuredStepCost::create(costs).status());
  return costs;
}

}  // namespace

std::string stepCostsJson(const StepCosts& costs) {
  Json variation = Json::object();
  for (size_t kind = 0; kind < kStepKinds; ++kind) variation[kKindNames[kind]] = costs.variation[kind];
  return Json{{"tokens", pointsJson(costs.tokens)},   {"rows", pointsJson(costs.rows)},
              {"per_attended", costs.perAttended},    {"per_attended_alone", costs.perAttendedAlone},
              {"per_moved_page", costs.perMovedPage}, {"served", pointsJson(costs.served)},
              {"per_request", costs.perRequest},      {"variation", std::move(variation)}}
      .dump();
}

Result<StepCosts> parseStepCosts(std::string_view text) {
  constexpr const char* kHint =
      "llmc-run ENGINE --simulate TRACE --json > FILE makes one: all of that output, or its \"step_cost\" alone";
  const Json json = Json::parse(text, nullptr, false);
  const auto named = [&](const Status& status) {
    return Status::error(status.kind(), status.code(), status.message(), kHint);
  };
  if (!json.is_object()) return named(fault("a JSON object with the costs of steps is expected, this is none"));
  const auto nested = json.find("step_cost");
  const bool whole = nested != json.end() && nested->is_object();
  if (!whole && !json.contains("tokens"))
    return named(
        fault("these are no costs of steps: a JSON object with \"tokens\", or with \"step_cost\" that has it, is "
              "expected, found " +
              keysOf(json)));
  auto costs = readCosts(whole ? *nested : json);
  if (!costs) return named(costs.status());
  return costs;
}

Result<MeasuredStepCost> MeasuredStepCost::create(StepCosts costs) {
  if (costs.tokens.empty()) return fault("no step was measured");
  LLMC_TRY(checkPoints("tokens", costs.tokens, 1e-12));
  LLMC_TRY(checkPoints("rows", costs.rows, 0));
  if (!costs.rows.empty() && costs.rows.front().count < 2) return fault("rows start at 2");
  LLMC_TRY(checkPoints("served", costs.served, -1));
  for (const double each : {costs.perAttended, costs.perAttendedAlone, costs.perMovedPage, costs.perRequest})
    if (!(each >= 0) || !std::isfinite(each)) return fault("a cost is negative or not a number");
  for (const auto& shares : costs.variation)
    for (const double share : shares)
      if (!(share > 0) || !std::isfinite(share))
        return fault("a share of \"variation\" is " + std::to_string(share) + ", a number above 0 is expected");
  MeasuredStepCost cost;
  cost.costs_ = std::move(costs);
  if (!cost.costs_.rows.empty()) cost.costs_.rows.insert(cost.costs_.rows.begin(), StepPoint{1, 0});
  return cost;
}

double MeasuredStepCost::variation(StepKind kind, uint64_t nth) const {
  const auto& shares = costs_.variation[static_cast<size_t>(kind)];
  return shares.empty() ? 1 : shares[nth % shares.size()];
}

double MeasuredStepCost::seconds(const StepShape& shape) const {
  const auto together = static_cast<double>(shape.attended - shape.attendedAlone);
  double sum = along(costs_.tokens, shape.tokens) + costs_.perAttended * together +
               costs_.perAttendedAlone * static_cast<double>(shape.attendedAlone) +
               costs_.perMovedPage * shape.movedPages;
  if (!costs_.rows.empty() && shape.rows > 1) sum += along(costs_.rows, shape.rows);
  if (costs_.served.empty()) return sum;
  // Steps that only decode were measured as served, and may be faster than by themselves; others get what is added.
  const double added = along(costs_.served, shape.rows);
  return std::max(sum + (shape.tokens == shape.rows ? added : std::max(added, 0.0)),
                  costs_.tokens.front().seconds / 10);
}

}  // namespace llmc::rt
