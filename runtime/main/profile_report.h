// The tables of --bench --profile.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "runtime/device/compute_peak.h"
#include "runtime/exec/step_profile.h"
#include "runtime/format/engine_reader.h"

namespace llmc::rt {

/// What this machine can do at most, measured in the same run as what is held against it.
struct MachineLimits {
  double readBytes = 0;  ///< a second, all workers
  ComputePeaks peaks;
};

/// "read_gb_per_s", "int8_gop_per_s", "int8_how", "int16_gop_per_s", "f32_gop_per_s", "bf16_gop_per_s" (absent: the
/// level has none).
nlohmann::ordered_json limitsJson(const MachineLimits& limits);

/// One object for the steps of `profile`:
/// - `steps`, `us_per_step`, and the shares of it `kernel_share`, `barrier_share` (work shared unevenly, the barrier
///   itself, waking up) and `idle_share` (between steps: batches built, tokens sampled), which add up to 1;
/// - `of_limit`: the time that all kernels with a limit would take at it, over the time of the step;
/// - `kernels` by descending time: name, family, origin (parts of the model), m_max (rows; 0: any number), calls and
/// microseconds a step, share of the step,
///   imbalance (slowest worker over the mean); for products and attention also GB/s (weights, or K and V) and GOP/s (2
///   a multiply-add) of all workers together, `bound`, the limit that is nearest ("memory", "int8", "int16", "f32" or
///   "bf16"), and `of_limit`, the share of it that is reached: above 1 where a cache holds what is read;
/// - `phases` by descending time: kernels between two barriers, how many a step, microseconds a step, share,
/// wait_share.
nlohmann::ordered_json profileJson(const StepProfile& profile, const fb::Engine& plan, const MachineLimits& limits);

/// limitsJson() as a line for people.
std::string limitsLine(const nlohmann::ordered_json& limits);

/// profileJson() for people. `title` names the kind of steps.
std::string profileTable(const nlohmann::ordered_json& profile, const std::string& title);

}  // namespace llmc::rt
