// GGUF tensor names to Hugging Face names.
#include <algorithm>
#include <array>
#include <charconv>

#include "compiler/import/GgufModel.h"
#include "compiler/import/ImportError.h"

namespace llmc {
namespace {

struct Rename {
  std::string_view gguf, canonical;
};

constexpr std::array<Rename, 3> kModelNames = {{
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
}};

struct LayerRename {
  std::string_view gguf;
  std::string_view LayerNames::* canonical;
};

constexpr std::array<LayerRename, 11> kLayerNames = {{
    {"attn_norm", &LayerNames::attentionNorm},
    {"ffn_norm", &LayerNames::mlpNorm},
    {"attn_q", &LayerNames::q},
    {"attn_k", &LayerNames::k},
    {"attn_v", &LayerNames::v},
    {"attn_output", &LayerNames::o},
    {"attn_q_norm", &LayerNames::qNorm},
    {"attn_k_norm", &LayerNames::kNorm},
    {"ffn_gate", &LayerNames::gate},
    {"ffn_up", &LayerNames::up},
    {"ffn_down", &LayerNames::down},
}};

std::string_view outerName(std::string_view name) {
  for (const Rename& entry : kModelNames)
    if (entry.gguf == name) return entry.canonical;
  return {};
}

std::string_view layerName(std::string_view name, const LayerNames& names) {
  for (const LayerRename& entry : kLayerNames)
    if (entry.gguf == name) return names.*entry.canonical;
  return {};
}

/// Canonical name of "blk.<layer>.<part>.<weight|bias>" or of a tensor outside the layers; the name itself when it has
/// no known role.
rt::Result<std::string> canonicalName(const GgufFile& gguf, const GgufTensor& tensor, const ModelConfig& config) {
  const int64_t layers = config.layers;
  std::string_view name = tensor.name;
  size_t dot = name.find_last_of('.');
  if (dot == std::string_view::npos) return tensor.name;
  std::string_view stem = name.substr(0, dot), kind = name.substr(dot);
  std::string_view canonical = outerName(stem);
  if (!canonical.empty()) return std::string(canonical) + std::string(kind);
  if (!stem.starts_with("blk.")) return tensor.name;
  stem.remove_prefix(4);
  int64_t layer = -1;
  auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), layer);
  std::string_view digits = stem.substr(0, static_cast<size_t>(end - stem.data()));
  bool valid = error == std::errc() && layer >= 0 && layer < layers && std::to_string(layer) == digits &&
               stem.size() > digits.size() && *end == '.';
  if (!valid)
    return importError("GG_NAME", {gguf.file->name(), static_cast<int64_t>(tensor.entry), tensor.name},
                       "the layer number is not one of 0 to " + std::to_string(layers - 1));
  canonical = layerName(stem.substr(digits.size() + 1), config.family->names);
  if (canonical.empty()) return tensor.name;
  return "model.layers." + std::to_string(layer) + "." + std::string(canonical) + std::string(kind);
}

}  // namespace

std::string ggufTensorName(std::string_view name, const ModelConfig& config) {
  const size_t dot = name.find_last_of('.');
  if (dot == std::string_view::npos) return std::string(name);
  std::string_view stem = name.substr(0, dot), kind = name.substr(dot);
  for (const Rename& entry : kModelNames)
    if (entry.canonical == stem) return std::string(entry.gguf) + std::string(kind);
  constexpr std::string_view kLayers = "model.layers.";
  if (!stem.starts_with(kLayers)) return std::string(name);
  stem.remove_prefix(kLayers.size());
  const size_t end = std::min(stem.find('.'), stem.size() - 1);
  for (const LayerRename& entry : kLayerNames)
    if (config.family->names.*entry.canonical == stem.substr(end + 1))
      return "blk." + std::string(stem.substr(0, end)) + "." + std::string(entry.gguf) + std::string(kind);
  return std::string(name);
}

rt::Result<std::vector<TensorInfo>> canonicalGgufTensors(const GgufFile& gguf, const ModelConfig& config) {
  std::vector<TensorInfo> tensors;
  for (const GgufTensor& source : gguf.tensors) {
    if (source.name == "rope_freqs.weight") continue;
    auto name = canonicalName(gguf, source, config);
    if (!name) return name.takeStatus();
    TensorInfo tensor;
    tensor.name = name.take();
    tensor.sourceName = source.name;
    tensor.type = source.type;
    tensor.shape = source.shape;
    tensor.offset = source.offset;
    tensor.bytes = source.bytes;
    const LayerNames& names = config.family->names;
    bool rotary = tensor.name.find("." + std::string(names.q) + ".") != std::string::npos ||
                  tensor.name.find("." + std::string(names.k) + ".") != std::string::npos;
    tensor.ropeInterleaved = rotary && config.family->ggufRotatesPairs;
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace llmc
