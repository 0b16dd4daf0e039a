// The tables of --bench --profile.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "runtime/exec/step_profile.h"
#include "runtime/format/engine_reader.h"

namespace llmc::rt {

/// One object for the steps of `profile`: `steps`, `us_per_step`, `wait_share`, and `kernels` by descending time, each
/// with name, family, m_max, calls and microseconds a step, share of the step, imbalance (slowest worker over the
/// mean), and for kernels that read a matrix GB/s of weights and, for products, GOP/s (2 a multiply-add) of all workers
/// together.
nlohmann::ordered_json profileJson(const StepProfile& profile, const fb::Engine& plan);

/// The same for people. `title` names the kind of steps.
std::string profileTable(const nlohmann::ordered_json& profile, const std::string& title);

}  // namespace llmc::rt
