// What a model is: sizes, rotary embedding, special tokens. Every field is validated before a ModelConfig leaves the
// importer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/models/Family.h"
#include "runtime/base/status.h"

namespace llmc {

/// Change of the rotary frequencies for long contexts.
struct RopeScaling {
  enum class Kind : uint8_t { None, Linear, Llama3 };
  Kind kind = Kind::None;
  double factor = 1.0;            ///< Linear, Llama3
  double lowFreqFactor = 1.0;     ///< Llama3
  double highFreqFactor = 4.0;    ///< Llama3
  int64_t originalPositions = 0;  ///< Llama3: context length of the first training
};

/// Decoder-only model of the llama kind.
struct ModelConfig {
  const Family* family = nullptr;  ///< never null in a config that was read
  std::string name;                ///< what the model calls itself (ModelName.h); empty when its files do not say
  int64_t hidden = 0;              ///< width of the residual stream
  int64_t layers = 0;
  int64_t heads = 0;         ///< query heads
  int64_t kvHeads = 0;       ///< divides heads
  int64_t headDim = 0;       ///< need not be hidden / heads
  int64_t intermediate = 0;  ///< width of the feed-forward part
  int64_t vocab = 0;         ///< rows of the embedding
  int64_t maxPositions = 0;
  double normEps = 0;
  double ropeTheta = 10000.0;
  int64_t ropeDim = 0;  ///< the first ropeDim values of a head rotate (even; usually headDim)
  RopeScaling ropeScaling;
  int64_t slidingWindow = 0;        ///< 0: none; else every layer sees the last slidingWindow positions
  bool tieEmbeddings = false;       ///< no lm_head.weight: the embedding is used
  bool attentionBias = false;       ///< q, k, v projections have a bias
  bool attentionOutBias = false;    ///< o projection has one
  bool mlpBias = false;             ///< gate, up, down have one
  bool qkNorm = false;              ///< RMS norm over each head of q and k before the rotation
  std::string activation = "silu";  ///< "silu", "gelu_tanh" or "relu"
  int64_t bosId = -1;               ///< -1: none
  std::vector<int64_t> eosIds;      ///< any of them ends a generation; may be empty
  bool addBos = false;              ///< the tokenizer puts bos first (its post_processor already does so)
  std::string torchDtype;           ///< "bfloat16", ... as the model says; empty when it does not
};

/// Reads and validates the text of a HF config.json. `file` is its name, for errors. Keys that ask for code of the
/// model's own (auto_map) are ignored with a line in `warnings`.
rt::Result<ModelConfig> parseHfConfig(const std::string& text, const std::string& file,
                                      std::vector<std::string>& warnings);

class JsonFields;

/// A special token that the object names by one id has to be in the vocabulary: null or no field says that there is
/// none, -1 does not, as it may be a mistake. Error CF_INCONSISTENT.
rt::Status checkSpecialId(const JsonFields& fields, const char* key, int64_t vocab);

/// Byte in the file of what an error calls `name` ("hidden size", "eos_token_id").
using OffsetOfName = std::function<int64_t(std::string_view name)>;

/// Range and consistency checks for a ModelConfig from any source (CF_RANGE, CF_INCONSISTENT).
rt::Status validateConfig(const ModelConfig& config, const std::string& file, const OffsetOfName& offsetOf);

}  // namespace llmc
