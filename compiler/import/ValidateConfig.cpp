// Range and consistency checks of a ModelConfig, before anything is sized from it.
#include <cmath>
#include <cstdio>

#include "compiler/import/ImportError.h"
#include "compiler/import/JsonFields.h"
#include "compiler/import/ModelConfig.h"
#include "runtime/base/limits.h"

namespace llmc {
namespace {

using rt::Status;
namespace limits = rt::limits;

/// The file under test, for errors.
struct Source {
  const std::string& file;
  const OffsetOfName& offsetOf;

  Place at(const char* name) const { return {file, offsetOf(name), name}; }
};

/// As short as it can be read: 1e-06, 12, 0.5.
std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}
std::string shown(int64_t value) { return std::to_string(value); }

template <typename T>
Status inRange(const Source& source, const char* name, T value, T low, T high) {
  if (value >= low && value <= high) return Status::ok();  // false for NaN
  return importError("CF_RANGE", source.at(name), shown(value) + " is not in " + shown(low) + " to " + shown(high));
}

Status inVocabulary(const Place& place, int64_t id, int64_t lowest, int64_t vocab) {
  if (id >= lowest && id < vocab) return Status::ok();
  return importError("CF_INCONSISTENT", place,
                     std::to_string(id) + " is not in the vocabulary of " + std::to_string(vocab),
                     "correct it, or leave it out where the model has no such token");
}

Status checkRope(const ModelConfig& config, const Source& source) {
  LLMC_TRY(inRange(source, "rope theta", config.ropeTheta, 1.0, 1e12));
  LLMC_TRY(inRange(source, "rotary dimension", config.ropeDim, int64_t{2}, config.headDim));
  if (config.ropeDim % 2 != 0)
    return importError("CF_INCONSISTENT", source.at("rotary dimension"),
                       std::to_string(config.ropeDim) + " is odd; values rotate in pairs");
  const RopeScaling& scaling = config.ropeScaling;
  if (scaling.kind == RopeScaling::Kind::None) return Status::ok();
  LLMC_TRY(inRange(source, "rope scaling factor", scaling.factor, 1e-3, 1e6));
  if (scaling.kind == RopeScaling::Kind::Linear) return Status::ok();
  LLMC_TRY(inRange(source, "low_freq_factor", scaling.lowFreqFactor, 1e-3, 1e6));
  LLMC_TRY(inRange(source, "high_freq_factor", scaling.highFreqFactor, 1e-3, 1e6));
  LLMC_TRY(
      inRange(source, "original_max_position_embeddings", scaling.originalPositions, int64_t{1}, limits::kPositions));
  if (scaling.lowFreqFactor >= scaling.highFreqFactor)
    return importError(
        "CF_INCONSISTENT", source.at("low_freq_factor"),
        shown(scaling.lowFreqFactor) + " is not below high_freq_factor, " + shown(scaling.highFreqFactor));
  return Status::ok();
}

}  // namespace

Status validateConfig(const ModelConfig& config, const std::string& file, const OffsetOfName& offsetOf) {
  const Source source{file, offsetOf};
  struct Bound {
    const char* name;
    int64_t value, low, high;
  };
  for (const Bound& bound :
       {Bound{"hidden size", config.hidden, 1, limits::kHidden},
        Bound{"layer count", config.layers, 1, limits::kLayers}, Bound{"head count", config.heads, 1, limits::kHeads},
        Bound{"KV head count", config.kvHeads, 1, limits::kHeads},
        Bound{"head size", config.headDim, 1, limits::kHeadDim},
        Bound{"feed-forward size", config.intermediate, 1, 4 * limits::kHidden},
        Bound{"vocabulary size", config.vocab, 1, limits::kVocab},
        Bound{"context length", config.maxPositions, 1, limits::kPositions},
        Bound{"sliding window", config.slidingWindow, 0, limits::kPositions}})
    LLMC_TRY(inRange(source, bound.name, bound.value, bound.low, bound.high));
  LLMC_TRY(inRange(source, "norm epsilon", config.normEps, 1e-30, 1.0));
  if (config.heads % config.kvHeads != 0)
    return importError(
        "CF_INCONSISTENT", source.at("KV head count"),
        std::to_string(config.kvHeads) + " does not divide the head count, " + std::to_string(config.heads));
  LLMC_TRY(checkRope(config, source));
  LLMC_TRY(inVocabulary(source.at("bos_token_id"), config.bosId, -1, config.vocab));
  for (int64_t id : config.eosIds) LLMC_TRY(inVocabulary(source.at("eos_token_id"), id, 0, config.vocab));
  return Status::ok();
}

Status checkSpecialId(const JsonFields& fields, const char* key, int64_t vocab) {
  int64_t id = 0;
  LLMC_TRY(fields.integer(key, id));
  return fields.find(key) ? inVocabulary(fields.place(key), id, 0, vocab) : Status::ok();
}

}  // namespace llmc
