// The frequency divisors of a llama3 rope scaling, and the way back from divisors to the scaling.
#pragma once

#include <optional>
#include <vector>

#include "compiler/import/ModelConfig.h"

namespace llmc {

/// What each of the ropeDim/2 frequencies is divided by.
std::vector<float> llama3Factors(const RopeScaling& scaling, double theta, int64_t ropeDim);

/// A llama3 scaling that gives these divisors to within 2e-4 of each, if there is one. Only ratios of original
/// positions and the two frequency factors matter, so the low one is always 1.
std::optional<RopeScaling> llama3ScalingOf(const std::vector<float>& factors, double theta, int64_t ropeDim);

}  // namespace llmc
