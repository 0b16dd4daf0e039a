// Checks of what only plans for CUDA have: target, architectures, launches and programs bounded by tokens a sequence.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/status.h"
#include "runtime/format/cuda_abi.h"
#include "runtime/format/engine_generated.h"

namespace llmc::rt {

/// Whether the engine runs on a CUDA device; false: on the CPU. Requires nothing of the plan.
bool isCuda(const fb::Engine& plan);

/// The target is one this format knows: none, "cpu" or "cuda". Errors: EN_SEMANTIC.
Status checkTarget(const fb::Engine& plan);

/// "cuda:sm_90a" or "cuda:compute_90": a number of two or three digits, after sm_ a letter may follow. Errors:
/// EN_SEMANTIC.
Status checkCudaLevel(const std::string& path, std::string_view name);

/// Symbol, and for each level a launch that any step may ask of a device. Errors: EN_CODE.
Status checkCudaVariant(const std::string& path, const fb::Variant& variant);

/// Programs rise in (q_max, t_max), where 0 means any and is above all; the last one takes every step. Errors:
/// EN_SEMANTIC.
Status checkCudaPrograms(const fb::Engine& plan);

/// `code` is the content of a section with the ranges of one level: each is one whole cubin, or text of PTX, for the
/// level's architecture, with its variant's kernel and as many arguments as the plan gives (device_code_check.h).
/// Errors: EN_CODE. Requires a checked plan.
Status checkCudaCode(const fb::Engine& plan, uint32_t level, std::string_view code);

}  // namespace llmc::rt
