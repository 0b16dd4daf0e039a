// Checks that a structurally valid plan means something: every index, range and product, before any of it is used.
#pragma once

#include "runtime/base/status.h"
#include "runtime/format/engine_generated.h"
#include "runtime/format/layout.h"

#include <span>

namespace llmc::rt {

/// Every vector of 64-bit numbers starts where such numbers may be read: the verifier of FlatBuffers does not ask.
bool isAligned(const fb::Engine& plan);

/// `sections` is the checked section table. Errors: EN_VERIFY, EN_SEMANTIC, EN_PLAN, EN_CODE with the path of the
/// field, for example "programs[1].phases[3].launches[0].args[2].index is 9, must be below 7"; EN_VERSION for another
/// kernel ABI.
Status checkPlan(const fb::Engine& plan, std::span<const SectionEntry> sections);

/// Of two checked plans of one engine: the first is for the CPU, the second for CUDA, and what the texts that they
/// share depend on is equal. Error EN_SEMANTIC.
Status checkTogether(const fb::Engine& cpu, const fb::Engine& cuda);

}  // namespace llmc::rt
