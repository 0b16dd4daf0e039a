// Completeness of a checkpoint: every tensor the config asks for, with the right shape and a readable type, and nothing
// unknown.
#pragma once

#include <string>
#include <vector>

#include "compiler/import/Checkpoint.h"
#include "compiler/import/ModelConfig.h"

namespace llmc {

/// MODEL_TENSOR errors; embeddings of other height than vocab give CF_INCONSISTENT.
rt::Status checkTensors(const Checkpoint& checkpoint, const ModelConfig& config, std::vector<std::string>& warnings);

}  // namespace llmc
