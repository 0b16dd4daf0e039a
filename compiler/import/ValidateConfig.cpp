// Range and consistency checks of a ModelConfig, before anything is sized from it.
#include <cmath>

#include "compiler/import/ImportError.h"
#include "compiler/import/ModelConfig.h"
#include "runtime/base/limits.h"

namespace llmc {
namespace {

using rt::Status;
namespace limits = rt::limits;

Status inRange(const std::string& file, const char* name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return Status::ok();
  return importError("CF_RANGE", {file, -1, name},
                     std::to_string(value) + " is not in " + std::to_string(low) + " to " + std::to_string(high));
}

Status inRange(const std::string& file, const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return Status::ok();  // false for NaN
  return importError("CF_RANGE", {file, -1, name},
                     std::to_string(value) + " is not in " + std::to_string(low) + " to " + std::to_string(high));
}

Status checkRope(const ModelConfig& config, const std::string& file) {
  LLMC_TRY(inRange(file, "rope theta", config.ropeTheta, 1.0, 1e12));
  LLMC_TRY(inRange(file, "rotary dimension", config.ropeDim, 2, config.headDim));
  if (config.ropeDim % 2 != 0) return importError("CF_INCONSISTENT", {file}, "the rotary dimension is odd");
  const RopeScaling& scaling = config.ropeScaling;
  if (scaling.kind == RopeScaling::Kind::None) return Status::ok();
  LLMC_TRY(inRange(file, "rope scaling factor", scaling.factor, 1e-3, 1e6));
  if (scaling.kind == RopeScaling::Kind::Linear) return Status::ok();
  LLMC_TRY(inRange(file, "low_freq_factor", scaling.lowFreqFactor, 1e-3, 1e6));
  LLMC_TRY(inRange(file, "high_freq_factor", scaling.highFreqFactor, 1e-3, 1e6));
  LLMC_TRY(inRange(file, "original_max_position_embeddings", scaling.originalPositions, 1, limits::kPositions));
  if (scaling.lowFreqFactor >= scaling.highFreqFactor)
    return importError("CF_INCONSISTENT", {file}, "low_freq_factor is not below high_freq_factor");
  return Status::ok();
}

}  // namespace

Status validateConfig(const ModelConfig& config, const std::string& file) {
  LLMC_TRY(inRange(file, "hidden size", config.hidden, 1, limits::kHidden));
  LLMC_TRY(inRange(file, "layer count", config.layers, 1, limits::kLayers));
  LLMC_TRY(inRange(file, "head count", config.heads, 1, limits::kHeads));
  LLMC_TRY(inRange(file, "KV head count", config.kvHeads, 1, limits::kHeads));
  LLMC_TRY(inRange(file, "head size", config.headDim, 1, limits::kHeadDim));
  LLMC_TRY(inRange(file, "feed-forward size", config.intermediate, 1, 4 * limits::kHidden));
  LLMC_TRY(inRange(file, "vocabulary size", config.vocab, 1, limits::kVocab));
  LLMC_TRY(inRange(file, "context length", config.maxPositions, 1, limits::kPositions));
  LLMC_TRY(inRange(file, "sliding window", config.slidingWindow, 0, limits::kPositions));
  LLMC_TRY(inRange(file, "norm epsilon", config.normEps, 1e-30, 1.0));
  if (config.heads % config.kvHeads != 0)
    return importError("CF_INCONSISTENT", {file}, "the KV head count does not divide the head count");
  LLMC_TRY(checkRope(config, file));
  if (config.bosId < -1 || config.bosId >= config.vocab)
    return importError("CF_INCONSISTENT", {file, -1, "bos_token_id"},
                       std::to_string(config.bosId) + " is not in the vocabulary");
  for (int64_t id : config.eosIds)
    if (id < 0 || id >= config.vocab)
      return importError("CF_INCONSISTENT", {file, -1, "eos_token_id"},
                         std::to_string(id) + " is not in the vocabulary");
  return Status::ok();
}

}  // namespace llmc
