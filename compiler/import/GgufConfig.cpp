// ModelConfig from GGUF metadata, including llama3 rotary scaling recognised in a table of factors.
#include <algorithm>
#include <map>

#include "compiler/import/GgufModel.h"
#include "compiler/import/ImportError.h"
#include "compiler/import/ModelName.h"
#include "compiler/import/RopeFactors.h"

namespace llmc {
namespace {

using rt::Status;

/// Reads "<architecture>.<key>" values with type checks.
class Keys {
 public:
  Keys(const GgufFile& gguf, std::string architecture) : gguf_(gguf), prefix_(std::move(architecture) + ".") {}

  /// Leaves `value` alone when the key is absent.
  Status integer(std::string_view key, int64_t& value, bool required = false) const {
    std::string full = prefix_ + std::string(key);
    const GgufValue* found = gguf_.find(full);
    if (!found) return required ? missing(full) : Status::ok();
    auto number =
        found->isArrayOf(GgufType::I32) || found->isArrayOf(GgufType::U32) ? uniform(*found) : found->integer();
    if (!number) return wrongType(full, *found, "an integer, the same for every layer");
    value = *number;
    return Status::ok();
  }

  Status real(std::string_view key, double& value, bool required = false) const {
    std::string full = prefix_ + std::string(key);
    const GgufValue* found = gguf_.find(full);
    if (!found) return required ? missing(full) : Status::ok();
    auto number = found->real();
    if (!number) return wrongType(full, *found, "a float");
    value = *number;
    return Status::ok();
  }

  Status text(std::string_view key, std::string& value) const {
    std::string full = prefix_ + std::string(key);
    const GgufValue* found = gguf_.find(full);
    if (!found) return Status::ok();
    if (found->type != GgufType::String) return wrongType(full, *found, "a string");
    value = found->text;
    return Status::ok();
  }

  /// Of the key's value; `key` must outlive it.
  Place place(std::string_view key) const {
    const GgufValue* found = gguf_.find(prefix_ + std::string(key));
    return {gguf_.file->name(), found ? static_cast<int64_t>(found->offset) : kGgufMetadataStart, key};
  }

 private:
  /// The value of a per-layer array in which all layers agree.
  static std::optional<int64_t> uniform(const GgufValue& value) {
    if (value.count == 0) return std::nullopt;
    for (uint64_t i = 1; i < value.count; ++i)
      if (value.int32At(i) != value.int32At(0)) return std::nullopt;
    return value.int32At(0);
  }
  Status missing(const std::string& key) const {
    return importError("CF_MISSING", {gguf_.file->name(), kGgufMetadataStart, key}, "required metadata is missing");
  }
  Status wrongType(const std::string& key, const GgufValue& value, const std::string& wanted) const {
    return importError("CF_TYPE", {gguf_.file->name(), static_cast<int64_t>(value.offset), key}, "must be " + wanted);
  }

  const GgufFile& gguf_;
  std::string prefix_;
};

Status readSizes(const Keys& keys, ModelConfig& config) {
  LLMC_TRY(keys.integer("embedding_length", config.hidden, true));
  LLMC_TRY(keys.integer("block_count", config.layers, true));
  LLMC_TRY(keys.integer("attention.head_count", config.heads, true));
  config.kvHeads = config.heads;
  LLMC_TRY(keys.integer("attention.head_count_kv", config.kvHeads));
  LLMC_TRY(keys.integer("feed_forward_length", config.intermediate, true));
  LLMC_TRY(keys.integer("context_length", config.maxPositions, true));
  LLMC_TRY(keys.real("attention.layer_norm_rms_epsilon", config.normEps, true));
  LLMC_TRY(keys.integer("attention.sliding_window", config.slidingWindow));
  config.headDim = config.heads > 0 ? config.hidden / config.heads : 0;
  LLMC_TRY(keys.integer("attention.key_length", config.headDim));
  int64_t valueLength = config.headDim;
  LLMC_TRY(keys.integer("attention.value_length", valueLength));
  if (valueLength != config.headDim)
    return importError("CF_INCONSISTENT", keys.place("attention.value_length"),
                       "is " + std::to_string(valueLength) + " where keys have " + std::to_string(config.headDim) +
                           "; different lengths are not supported");
  int64_t experts = 0;
  LLMC_TRY(keys.integer("expert_count", experts));
  if (experts != 0)
    return importError("CF_ARCH", keys.place("expert_count"), "mixture-of-experts models are not supported");
  return Status::ok();
}

Status readRope(const Keys& keys, ModelConfig& config) {
  config.ropeDim = config.headDim;
  LLMC_TRY(keys.integer("rope.dimension_count", config.ropeDim));
  LLMC_TRY(keys.real("rope.freq_base", config.ropeTheta));
  std::string kind;
  LLMC_TRY(keys.text("rope.scaling.type", kind));
  double factor = 0;
  LLMC_TRY(keys.real("rope.scaling.factor", factor));
  if (kind.empty()) LLMC_TRY(keys.real("rope.scale_linear", factor));  // name before 2024
  if (kind.empty() || kind == "linear") {
    if (factor != 0 && factor != 1) config.ropeScaling = {RopeScaling::Kind::Linear, factor, 1, 4, 0};
  } else if (kind != "none") {
    return importError("CF_RANGE", keys.place("rope.scaling.type"),
                       "rope scaling '" + rt::escaped(kind) + "' is not supported",
                       "supported are none and linear, and llama3 through rope_freqs.weight");
  }
  return Status::ok();
}

Status readFactors(const GgufFile& gguf, ModelConfig& config) {
  auto it = std::find_if(gguf.tensors.begin(), gguf.tensors.end(),
                         [](const auto& t) { return t.name == "rope_freqs.weight"; });
  if (it == gguf.tensors.end()) return Status::ok();
  Place place{gguf.file->name(), static_cast<int64_t>(it->offset), it->name};
  bool shaped = it->type == StorageType::F32 && it->shape.size() == 1 && it->shape[0] == config.ropeDim / 2;
  if (!shaped)
    return importError("MODEL_TENSOR", place, "must be an F32 vector of " + std::to_string(config.ropeDim / 2));
  std::vector<float> factors(static_cast<size_t>(it->shape[0]));
  LLMC_TRY(gguf.file->read(it->offset, std::as_writable_bytes(std::span(factors))));
  for (float factor : factors)
    if (!(factor >= 1e-3f && factor <= 1e6f)) return importError("CF_RANGE", place, "a rope factor is out of range");
  if (config.ropeScaling.kind != RopeScaling::Kind::None)
    return importError("CF_INCONSISTENT", place, "rope factors beside a linear rope scaling");
  if (std::all_of(factors.begin(), factors.end(), [](float factor) { return factor == 1; })) return Status::ok();
  auto scaling = llama3ScalingOf(factors, config.ropeTheta, config.ropeDim);
  if (!scaling)
    return importError("CF_ROPE", place, "divides the rotary frequencies by factors that no known scaling gives",
                       "linear and llama3 scaling are supported");
  config.ropeScaling = *scaling;
  return Status::ok();
}

/// Byte of the value that validateConfig calls `name`.
int64_t offsetOfName(const GgufFile& gguf, const Keys& keys, std::string_view name) {
  static const std::map<std::string_view, std::string_view> known = {
      {"hidden size", "embedding_length"},
      {"layer count", "block_count"},
      {"head count", "attention.head_count"},
      {"KV head count", "attention.head_count_kv"},
      {"head size", "attention.key_length"},
      {"feed-forward size", "feed_forward_length"},
      {"context length", "context_length"},
      {"sliding window", "attention.sliding_window"},
      {"norm epsilon", "attention.layer_norm_rms_epsilon"},
      {"rope theta", "rope.freq_base"},
      {"rotary dimension", "rope.dimension_count"},
      {"rope scaling factor", "rope.scaling.factor"}};
  for (const GgufTensor& tensor : gguf.tensors)
    if (name == "vocabulary size" && tensor.name == "token_embd.weight") return static_cast<int64_t>(tensor.entry);
  auto key = known.find(name);
  return key == known.end() ? kGgufMetadataStart : keys.place(key->second).offset;
}

bool hasTensor(const GgufFile& gguf, std::string_view name) {
  return std::any_of(gguf.tensors.begin(), gguf.tensors.end(), [&](const auto& t) { return t.name == name; });
}

}  // namespace

rt::Result<ModelConfig> readGgufConfig(const GgufFile& gguf) {
  const std::string& file = gguf.file->name();
  const GgufValue* architecture = gguf.find("general.architecture");
  std::string hint = "supported are " + supportedGgufArchitectures();
  if (!architecture || architecture->type != GgufType::String)
    return importError(
        "CF_ARCH",
        {file, architecture ? static_cast<int64_t>(architecture->offset) : kGgufMetadataStart, "general.architecture"},
        "the architecture is not given as a string", hint);
  ModelConfig config;
  config.family = familyOfGguf(architecture->text);
  if (!config.family)
    return importError("CF_ARCH", {file, static_cast<int64_t>(architecture->offset), architecture->text},
                       "architecture is not supported", hint);
  if (const GgufValue* name = gguf.find("general.name")) config.name = modelName(name->text);
  Keys keys(gguf, architecture->text);
  LLMC_TRY(readSizes(keys, config));
  if (config.slidingWindow > 0)
    if (const Family* windowed = findFamily(config.family->ggufWindowed)) config.family = windowed;
  LLMC_TRY(readRope(keys, config));
  config.tieEmbeddings = !hasTensor(gguf, "output.weight");
  config.attentionBias = hasTensor(gguf, "blk.0.attn_q.bias");
  config.attentionOutBias = hasTensor(gguf, "blk.0.attn_output.bias");
  config.mlpBias = hasTensor(gguf, "blk.0.ffn_up.bias");
  config.qkNorm = hasTensor(gguf, "blk.0.attn_q_norm.weight");
  for (const GgufTensor& tensor : gguf.tensors)
    if (tensor.name == "token_embd.weight") config.vocab = tensor.shape[0];
  LLMC_TRY(validateConfig(config, file, [&](std::string_view name) { return offsetOfName(gguf, keys, name); }));
  LLMC_TRY(readFactors(gguf, config));
  return config;
}

}  // namespace llmc
