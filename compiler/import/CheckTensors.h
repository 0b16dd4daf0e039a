// Completeness of a checkpoint: every tensor the config asks for, with the right shape and a readable type, and nothing
// unknown.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/import/Checkpoint.h"
#include "compiler/import/ModelConfig.h"

namespace llmc {

/// How a missing tensor is told to the owner of the files.
struct MissingTensor {
  std::function<std::string(std::string_view)> nameInFile = [](std::string_view name) { return std::string(name); };
  std::string advice = "give the folder with all shards, or a complete file";
};

/// MODEL_TENSOR errors; embeddings of other height than vocab give CF_INCONSISTENT.
rt::Status checkTensors(const Checkpoint& checkpoint, const ModelConfig& config, std::vector<std::string>& warnings,
                        const MissingTensor& missing = {});

}  // namespace llmc
