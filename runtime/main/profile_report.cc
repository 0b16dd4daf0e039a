// Ticks become microseconds and rates; weights of a launch and the contexts of a batch tell how much a kernel reads and
// multiplies.
#include "runtime/main/profile_report.h"

#include <algorithm>
#include <cstdio>

#include "runtime/device/phase_barrier.h"

namespace llmc::rt {
namespace {

using Json = nlohmann::ordered_json;

/// What all calls of a kernel read and multiply, and with what.
struct Work {
  double bytes = 0;
  double operations = 0;
  const char* unit = "f32";
};

std::string textOf(const flatbuffers::String* text) { return text ? text->str() : std::string(); }

/// The first launch of a kernel; launches of one kernel have weights of one shape.
const fb::Launch* launchOf(const fb::Engine& plan, uint32_t kernel) {
  for (const auto* program : *plan.programs())
    for (const auto* phase : *program->phases())
      for (const auto* launch : *phase->launches())
        if (launch->kernel() == kernel) return launch;
  return nullptr;
}

/// How much of what a kernel computes is in layers: all, but for a norm that layers and the head share.
double shareInLayers(const fb::Kernel& kernel) {
  if (!kernel.origin() || kernel.origin()->size() == 0) return 0;
  double in = 0;
  for (const auto* origin : *kernel.origin()) in += origin->string_view().starts_with("layers.");
  return in / kernel.origin()->size();
}

/// Rows of a variant; the last one takes what is left: as many as the programs that launch it have tokens, 0: any
/// number.
uint32_t mostRows(const fb::Engine& plan, const StepProfile::Key& key) {
  uint32_t most = plan.kernels()->Get(key.first)->variants()->Get(key.second)->m_max();
  if (most) return most;
  for (const auto* program : *plan.programs())
    for (const auto* phase : *program->phases())
      for (const auto* launch : *phase->launches()) {
        if (launch->kernel() != key.first) continue;
        if (program->t_max() == 0) return 0;
        most = std::max(most, program->t_max());
      }
  return most;
}

/// What of the model a kernel computes, layers left out: ["attention_norm", "attention.q_k_v"].
Json originOf(const fb::Kernel& kernel) {
  Json parts = Json::array();
  if (!kernel.origin()) return parts;
  for (const auto* origin : *kernel.origin()) {
    std::string part = origin->str();
    if (part.starts_with("layers.")) part = part.substr(part.find('.', 7) + 1);
    if (std::ranges::find(parts, Json(part)) == parts.end()) parts.push_back(part);
  }
  return parts;
}

Work productWork(const fb::Engine& plan, uint32_t kernel, const StepProfile::Entry& entry) {
  Work work;
  const fb::Launch* launch = launchOf(plan, kernel);
  if (!launch) return work;
  const std::string activations = textOf(plan.model()->activations());
  for (const auto* arg : *launch->args()) {
    if (arg->kind() != fb::ArgKind::Weight) continue;
    const auto* weight = plan.weights()->Get(arg->index());
    if (weight->rows() <= 1 || weight->cols() <= 1) continue;
    const double elements = static_cast<double>(weight->rows()) * static_cast<double>(weight->cols());
    work.bytes += static_cast<double>(weight->size()) * static_cast<double>(entry.calls);
    work.operations += 2 * elements * static_cast<double>(entry.rows);
    if (activations == "int8" && weight->dtype() >= fb::DType::I8) work.unit = "int8";
    // Those that keep f32 all the same (the head; q, k and v by default) are held against that peak, too.
    if (activations == "bf16" && weight->dtype() == fb::DType::BF16) work.unit = "bf16";
  }
  return work;
}

/// What attention multiplies. With int8 activations tokens of prompts may be rounded: to bf16 where the level
/// has it, to 16-bit integers where vectors have 256 bits and the cache f16; a sequence that brings one token, which
/// pairs with each cached one once, never is. An int8 cache meets 16-bit factors.
const char* attentionUnit(const fb::Engine& plan, const StepProfile::Entry& entry, const ComputePeaks& peaks) {
  const fb::DType cache = plan.kv()->dtype();
  if (textOf(plan.model()->activations()) == "int8" && entry.attended > entry.context && cache != fb::DType::F32) {
    if (peaks.bf16 > 0) return "bf16";
    if (cache == fb::DType::F16 && peaks.vectorBits == 256) return "int16";
  }
  return cache == fb::DType::I8 ? "int16" : "f32";
}

Work attentionWork(const fb::Engine& plan, const StepProfile::Entry& entry, const ComputePeaks& peaks) {
  const fb::KvSpec& kv = *plan.kv();
  const double tokenBytes = static_cast<double>(kv.layer_bytes()) / kv.page_tokens();
  // A query head multiplies with a key and adds a value for each token that it sees.
  const double pairOperations = 4.0 * plan.model()->heads() * plan.model()->head_dim();
  return {entry.context * tokenBytes, entry.attended * pairOperations, attentionUnit(plan, entry, peaks)};
}

double peakOf(const ComputePeaks& peaks, std::string_view unit) {
  if (unit == "int16") return peaks.int16;
  return unit == "int8" ? peaks.int8 : unit == "bf16" && peaks.bf16 > 0 ? peaks.bf16 : peaks.f32;
}

/// Adds rates and limits of `work` that took `seconds`; returns the seconds that it would take at its limit.
double addRates(Json& json, const Work& work, double seconds, const MachineLimits& limits) {
  json["gb_per_s"] = work.bytes / seconds / 1e9;
  json["gop_per_s"] = work.operations / seconds / 1e9;
  const double peak = peakOf(limits.peaks, work.unit);
  if (limits.readBytes <= 0 || peak <= 0) return 0;
  const double reading = work.bytes / limits.readBytes, computing = work.operations / peak;
  const char* unit = std::string_view(work.unit) == "bf16" && limits.peaks.bf16 <= 0 ? "f32" : work.unit;
  json["bound"] = reading > computing ? "memory" : unit;
  json["of_limit"] = std::max(reading, computing) / seconds;
  return std::max(reading, computing);
}

class Report {
 public:
  Report(const StepProfile& profile, const fb::Engine& plan, const MachineLimits& limits)
      : profile_(profile), plan_(plan), limits_(limits) {}

  Json make() {
    const double ticks = profile_.ticks();
    const double barrier = shareOf(profile_.waitTicks()), idle = shareOf(profile_.idleTicks());
    std::vector<Json> kernels, phases;
    for (const auto& [key, entry] : profile_.kernels()) kernels.push_back(kernel(key, entry));
    uint64_t count = 0;
    double inLayers = 0;
    for (const auto& [keys, entry] : profile_.phases()) {
      phases.push_back(phase(keys, entry));
      count += entry.count;
      double share = 0;
      for (const auto& key : keys) share = std::max(share, shareInLayers(*plan_.kernels()->Get(key.first)));
      inLayers += share * static_cast<double>(entry.count);
    }
    const auto slowFirst = [](const Json& a, const Json& b) { return a["us_per_step"] > b["us_per_step"]; };
    std::ranges::sort(kernels, slowFirst);
    std::ranges::sort(phases, slowFirst);
    return {{"steps", profile_.steps()},
            {"us_per_step", perStep(ticks)},
            {"kernel_share", ticks > 0 ? 1 - barrier - idle : 0},
            {"barrier_share", barrier},
            {"idle_share", idle},
            {"of_limit", ticks > 0 ? limitSeconds_ / secondsOf(ticks) : 0},
            {"phases_per_step", static_cast<double>(count) / steps()},
            {"phases_per_layer", inLayers / steps() / std::max(plan_.model()->layers(), 1u)},
            {"kernels", std::move(kernels)},
            {"phases", std::move(phases)}};
  }

 private:
  double steps() const { return static_cast<double>(std::max<uint64_t>(profile_.steps(), 1)); }
  double secondsOf(double ticks) const { return ticks / ticksPerSecond_; }
  double perStep(double ticks) const { return secondsOf(ticks) * 1e6 / steps(); }
  double shareOf(double ticks) const { return profile_.ticks() > 0 ? ticks / profile_.ticks() : 0; }
  std::string nameOf(const StepProfile::Key& key) const { return plan_.kernels()->Get(key.first)->name()->str(); }

  Json kernel(const StepProfile::Key& key, const StepProfile::Entry& entry) {
    const auto* kernel = plan_.kernels()->Get(key.first);
    const std::string family = textOf(kernel->family());
    Json json{{"name", nameOf(key)},
              {"family", family},
              {"origin", originOf(*kernel)},
              {"m_max", mostRows(plan_, key)},
              {"calls_per_step", static_cast<double>(entry.calls) / steps()},
              {"us_per_step", perStep(entry.ticks)},
              {"share", shareOf(entry.ticks)},
              {"imbalance", entry.ticks > 0 ? entry.slowest / entry.ticks : 1}};
    const double seconds = secondsOf(entry.slowest);
    if (seconds <= 0 || (family != "linear" && family != "attend")) return json;
    limitSeconds_ += addRates(
        json, family == "linear" ? productWork(plan_, key.first, entry) : attentionWork(plan_, entry, limits_.peaks),
        seconds, limits_);
    return json;
  }

  Json phase(const std::vector<StepProfile::Key>& keys, const StepProfile::Phase& entry) const {
    Json names = Json::array();
    for (const auto& key : keys) names.push_back(nameOf(key));
    return {{"kernels", names},
            {"per_step", static_cast<double>(entry.count) / steps()},
            {"us_each", secondsOf(entry.ticks) * 1e6 / static_cast<double>(std::max<uint64_t>(entry.count, 1))},
            {"us_per_step", perStep(entry.ticks)},
            {"share", shareOf(entry.ticks)},
            {"wait_share", entry.ticks > 0 ? entry.waitTicks / entry.ticks : 0}};
  }

  const StepProfile& profile_;
  const fb::Engine& plan_;
  const MachineLimits& limits_;
  const double ticksPerSecond_ = static_cast<double>(tscTicks(1'000'000)) * 1e3;
  double limitSeconds_ = 0;
};

template <typename... Values>
std::string formatted(const char* format, Values... values) {
  char line[256];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}

double number(const Json& json, const char* field) { return json[field].get<double>(); }

std::string kernelLine(const Json& kernel) {
  std::string text =
      formatted("%7.0f %9.1f %5.1f%% %10.2f", number(kernel, "calls_per_step"), number(kernel, "us_per_step"),
                number(kernel, "share") * 100, number(kernel, "imbalance"));
  text += kernel.contains("gop_per_s")
              ? formatted(" %7.1f %7.1f", number(kernel, "gb_per_s"), number(kernel, "gop_per_s"))
              : formatted(" %7s %7s", "", "");
  text += kernel.contains("of_limit") ? formatted(" %5.0f%% of %-6s", number(kernel, "of_limit") * 100,
                                                  kernel["bound"].get<std::string>().c_str())
                                      : formatted(" %16s", "");
  const int most = kernel["m_max"].get<int>();
  return text + "  " + kernel["name"].get<std::string>() + " (" + (most ? std::to_string(most) : "any") + ")\n";
}

std::string phaseLine(const Json& phase) {
  std::string names;
  for (const auto& name : phase["kernels"]) names += (names.empty() ? "" : " + ") + name.get<std::string>();
  return formatted("%7.0f %9.1f %9.1f %5.1f%% %9.1f%%  ", number(phase, "per_step"), number(phase, "us_each"),
                   number(phase, "us_per_step"), number(phase, "share") * 100, number(phase, "wait_share") * 100) +
         names + "\n";
}

}  // namespace

Json limitsJson(const MachineLimits& limits) {
  Json json{{"read_gb_per_s", limits.readBytes / 1e9},
            {"int8_gop_per_s", limits.peaks.int8 / 1e9},
            {"int8_how", limits.peaks.int8How},
            {"int16_gop_per_s", limits.peaks.int16 / 1e9},
            {"f32_gop_per_s", limits.peaks.f32 / 1e9}};
  if (limits.peaks.bf16 > 0) json["bf16_gop_per_s"] = limits.peaks.bf16 / 1e9;
  return json;
}

Json profileJson(const StepProfile& profile, const fb::Engine& plan, const MachineLimits& limits) {
  return Report(profile, plan, limits).make();
}

std::string limitsLine(const Json& limits) {
  std::string text = formatted("limits: read %.1f GB/s; int8 %.0f GOP/s (%s), int16 %.0f GOP/s, f32 %.0f GOP/s",
                               number(limits, "read_gb_per_s"), number(limits, "int8_gop_per_s"),
                               limits["int8_how"].get<std::string>().c_str(), number(limits, "int16_gop_per_s"),
                               number(limits, "f32_gop_per_s"));
  if (limits.contains("bf16_gop_per_s")) text += formatted(", bf16 %.0f GOP/s", number(limits, "bf16_gop_per_s"));
  return text + "\n";
}

std::string profileTable(const Json& profile, const std::string& title) {
  if (profile["steps"] == 0) return title + ": no steps\n";
  std::string text =
      title + formatted(
                  ": %d steps of %.1f us: %.1f%% in kernels, %.1f%% waiting at barriers, %.1f%% idle "
                  "between steps; %.0f%% of the limits; %.1f phases a layer\n",
                  profile["steps"].get<int>(), number(profile, "us_per_step"), number(profile, "kernel_share") * 100,
                  number(profile, "barrier_share") * 100, number(profile, "idle_share") * 100,
                  number(profile, "of_limit") * 100, number(profile, "phases_per_layer"));
  text += "  calls   us/step  share  imbalance    GB/s   GOP/s      of limit      kernel (rows at most)\n";
  for (const auto& kernel : profile["kernels"]) text += kernelLine(kernel);
  text += " phases   us each   us/step  share    waiting  kernels between two barriers\n";
  for (const auto& phase : profile["phases"]) text += phaseLine(phase);
  return text;
}

}  // namespace llmc::rt
