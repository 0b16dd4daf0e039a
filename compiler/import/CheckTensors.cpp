// The list of tensors of a llama-like model, compared with what the files hold.
#include "compiler/import/CheckTensors.h"

#include <algorithm>
#include <unordered_set>

#include "compiler/import/ImportError.h"

namespace llmc {
namespace {

using rt::Status;

struct Wanted {
  std::string name;
  std::vector<int64_t> shape;  // [N, K] or [N]
};

std::string shapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

void wantLinear(std::vector<Wanted>& list, const std::string& name, int64_t n, int64_t k, bool bias) {
  list.push_back({name + ".weight", {n, k}});
  if (bias) list.push_back({name + ".bias", {n}});
}

void wantLayer(std::vector<Wanted>& list, const ModelConfig& config, int64_t layer) {
  std::string prefix = "model.layers." + std::to_string(layer) + ".";
  int64_t q = config.heads * config.headDim, kv = config.kvHeads * config.headDim;
  const LayerNames& names = config.family->names;
  auto want = [&](std::string_view name, int64_t n, int64_t k, bool bias) {
    wantLinear(list, prefix + std::string(name), n, k, bias);
  };
  auto wantNorm = [&](std::string_view name, int64_t n) {
    list.push_back({prefix + std::string(name) + ".weight", {n}});
  };
  wantNorm(names.attentionNorm, config.hidden);
  wantNorm(names.mlpNorm, config.hidden);
  want(names.q, q, config.hidden, config.attentionBias);
  want(names.k, kv, config.hidden, config.attentionBias);
  want(names.v, kv, config.hidden, config.attentionBias);
  want(names.o, config.hidden, q, config.attentionOutBias);
  if (config.qkNorm) {
    wantNorm(names.qNorm, config.headDim);
    wantNorm(names.kNorm, config.headDim);
  }
  want(names.gate, config.intermediate, config.hidden, config.mlpBias);
  want(names.up, config.intermediate, config.hidden, config.mlpBias);
  want(names.down, config.hidden, config.intermediate, config.mlpBias);
}

Place placeOf(const Checkpoint& checkpoint, const UnreadableTensor& tensor) {
  return {checkpoint.files()[tensor.file]->name(), tensor.at, tensor.name};
}

Status checkOne(const Checkpoint& checkpoint, const Wanted& wanted, const MissingTensor& missing) {
  const TensorInfo* tensor = checkpoint.lookup(wanted.name);
  std::string first = checkpoint.files().empty() ? "" : checkpoint.files()[0]->name();
  if (!tensor) {
    for (const UnreadableTensor& other : checkpoint.unreadable())
      if (other.name == wanted.name)
        return importError("MODEL_TENSOR", placeOf(checkpoint, other), "is stored as " + other.type,
                           "supported are " + std::string(storageTypeList()));
    return importError("MODEL_TENSOR", {first, -1, missing.nameInFile(wanted.name)}, "tensor is missing",
                       missing.advice);
  }
  Place place{checkpoint.files()[tensor->file]->name(), static_cast<int64_t>(tensor->offset), tensor->sourceName};
  if (tensor->shape != wanted.shape) {
    bool embedding = wanted.name == "model.embed_tokens.weight" || wanted.name == "lm_head.weight";
    bool height = embedding && tensor->shape.size() == 2 && tensor->shape[1] == wanted.shape[1];
    return importError(height ? "CF_INCONSISTENT" : "MODEL_TENSOR", place,
                       "has shape " + shapeText(tensor->shape) + "; the config asks for " + shapeText(wanted.shape));
  }
  if (wanted.shape.size() == 1 && isBlockQuantized(tensor->type))
    return importError("MODEL_TENSOR", place, "a vector must be stored as F32, F16 or BF16");
  return Status::ok();
}

/// Tensors that files of the supported families hold beside what is computed.
bool harmless(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".self_attn.bias") || name.ends_with(".masked_bias");
}

}  // namespace

Status checkTensors(const Checkpoint& checkpoint, const ModelConfig& config, std::vector<std::string>& warnings,
                    const MissingTensor& missing) {
  std::vector<Wanted> wanted;
  wanted.push_back({"model.embed_tokens.weight", {config.vocab, config.hidden}});
  for (int64_t layer = 0; layer < config.layers; ++layer) wantLayer(wanted, config, layer);
  wanted.push_back({"model.norm.weight", {config.hidden}});
  if (!config.tieEmbeddings) wanted.push_back({"lm_head.weight", {config.vocab, config.hidden}});
  std::unordered_set<std::string_view> names;
  for (const Wanted& one : wanted) {
    LLMC_TRY(checkOne(checkpoint, one, missing));
    names.insert(one.name);
  }
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    if (names.contains(tensor.name)) continue;
    if (config.tieEmbeddings && tensor.name == "lm_head.weight") {
      warnings.push_back("lm_head.weight is ignored: the embeddings are tied");
    } else if (!harmless(tensor.name)) {
      return importError(
          "MODEL_TENSOR",
          {checkpoint.files()[tensor.file]->name(), static_cast<int64_t>(tensor.offset), tensor.sourceName},
          "tensor has no role in a " + std::string(config.family->name) + " model of " + std::to_string(config.layers) +
              " layers");
    }
  }
  for (const UnreadableTensor& tensor : checkpoint.unreadable())
    if (!harmless(tensor.name))
      return importError("MODEL_TENSOR", placeOf(checkpoint, tensor), "unknown tensor of type " + tensor.type);
  return Status::ok();
}

}  // namespace llmc
