// Ticks become microseconds and rates; weights of a launch tell how much it reads and multiplies.
#include "runtime/main/profile_report.h"

#include <algorithm>
#include <cstdio>

#include "runtime/device/phase_barrier.h"

namespace llmc::rt {
namespace {

using Json = nlohmann::ordered_json;

/// What one call reads and multiplies; launches of one kernel have weights of one shape.
struct Matrix {
  double bytes = 0;
  double elements = 0;
};

Matrix matrixOf(const fb::Engine& plan, uint32_t kernel) {
  Matrix matrix;
  for (const auto* program : *plan.programs())
    for (const auto* phase : *program->phases())
      for (const auto* launch : *phase->launches()) {
        if (launch->kernel() != kernel) continue;
        for (const auto* arg : *launch->args()) {
          if (arg->kind() != fb::ArgKind::Weight) continue;
          const auto* weight = plan.weights()->Get(arg->index());
          if (weight->rows() <= 1 || weight->cols() <= 1) continue;
          matrix.bytes += static_cast<double>(weight->size());
          matrix.elements += static_cast<double>(weight->rows()) * static_cast<double>(weight->cols());
        }
        return matrix;
      }
  return matrix;
}

Json kernelJson(const StepProfile& profile, const StepProfile::Key& key, const StepProfile::Entry& entry,
                const fb::Engine& plan, double ticksPerMicrosecond) {
  const auto* kernel = plan.kernels()->Get(key.first);
  const double steps = static_cast<double>(profile.steps());
  const double seconds = entry.slowest / ticksPerMicrosecond / 1e6;
  const std::string family = kernel->family() ? kernel->family()->str() : "";
  Json json{{"name", kernel->name()->str()},
            {"family", family},
            {"m_max", kernel->variants()->Get(key.second)->m_max()},
            {"calls_per_step", static_cast<double>(entry.calls) / steps},
            {"us_per_step", entry.ticks / ticksPerMicrosecond / steps},
            {"share", profile.ticks() > 0 ? entry.ticks / profile.ticks() : 0},
            {"imbalance", entry.ticks > 0 ? entry.slowest / entry.ticks : 1}};
  const Matrix matrix = matrixOf(plan, key.first);
  if (family != "linear" || seconds <= 0) return json;
  json["gb_per_s"] = matrix.bytes * static_cast<double>(entry.calls) / seconds / 1e9;
  json["gop_per_s"] = 2 * matrix.elements * static_cast<double>(entry.rows) / seconds / 1e9;
  return json;
}

}  // namespace

Json profileJson(const StepProfile& profile, const fb::Engine& plan) {
  const double ticksPerMicrosecond = static_cast<double>(tscTicks(1'000'000)) / 1e3;
  const double steps = static_cast<double>(std::max<uint64_t>(profile.steps(), 1));
  Json json{{"steps", profile.steps()},
            {"us_per_step", profile.ticks() / ticksPerMicrosecond / steps},
            {"wait_share", profile.ticks() > 0 ? profile.waitTicks() / profile.ticks() : 0}};
  std::vector<Json> kernels;
  for (const auto& [key, entry] : profile.kernels())
    kernels.push_back(kernelJson(profile, key, entry, plan, ticksPerMicrosecond));
  std::ranges::sort(kernels, [](const Json& a, const Json& b) { return a["us_per_step"] > b["us_per_step"]; });
  json["kernels"] = std::move(kernels);
  return json;
}

std::string profileTable(const Json& profile, const std::string& title) {
  char line[256];
  std::snprintf(line, sizeof line, "%s: %d steps of %.1f us, %.1f%% of it waiting at barriers\n", title.c_str(),
                profile["steps"].get<int>(), profile["us_per_step"].get<double>(),
                profile["wait_share"].get<double>() * 100);
  std::string text = line;
  text += "  calls   us/step  share  imbalance    GB/s   GOP/s  kernel (rows at most)\n";
  for (const auto& kernel : profile["kernels"]) {
    std::snprintf(line, sizeof line, "%7.0f %9.1f %5.1f%% %10.2f", kernel["calls_per_step"].get<double>(),
                  kernel["us_per_step"].get<double>(), kernel["share"].get<double>() * 100,
                  kernel["imbalance"].get<double>());
    text += line;
    if (kernel.contains("gop_per_s"))
      std::snprintf(line, sizeof line, " %7.1f %7.1f", kernel["gb_per_s"].get<double>(),
                    kernel["gop_per_s"].get<double>());
    else
      std::snprintf(line, sizeof line, " %7s %7s", "", "");
    text += line;
    const int most = kernel["m_max"].get<int>();
    text += "  " + kernel["name"].get<std::string>() + " (" + (most ? std::to_string(most) : "any") + ")\n";
  }
  return text;
}

}  // namespace llmc::rt
