// GGUF tensor names to Hugging Face names.
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

constexpr std::array<Rename, 11> kLayerNames = {{
    {"attn_norm", "input_layernorm"},
    {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
}};

template <size_t N>
std::string_view find(const std::array<Rename, N>& table, std::string_view name) {
  for (const Rename& entry : table)
    if (entry.gguf == name) return entry.canonical;
  return {};
}

/// Canonical name of "blk.<layer>.<part>.<weight|bias>" or of a tensor outside the layers; the name itself when it has
/// no known role.
rt::Result<std::string> canonicalName(const GgufFile& gguf, const GgufTensor& tensor, int64_t layers) {
  std::string_view name = tensor.name;
  size_t dot = name.find_last_of('.');
  if (dot == std::string_view::npos) return tensor.name;
  std::string_view stem = name.substr(0, dot), kind = name.substr(dot);
  std::string_view canonical = find(kModelNames, stem);
  if (!canonical.empty()) return std::string(canonical) + std::string(kind);
  if (!stem.starts_with("blk.")) return tensor.name;
  stem.remove_prefix(4);
  int64_t layer = -1;
  auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), layer);
  std::string_view digits = stem.substr(0, static_cast<size_t>(end - stem.data()));
  bool valid = error == std::errc() && layer >= 0 && layer < layers && std::to_string(layer) == digits &&
               stem.size() > digits.size() && *end == '.';
  if (!valid)
    return importError("GG_NAME", {gguf.file->name(), -1, tensor.name},
                       "the layer number is not one of 0 to " + std::to_string(layers - 1));
  canonical = find(kLayerNames, stem.substr(digits.size() + 1));
  if (canonical.empty()) return tensor.name;
  return "model.layers." + std::to_string(layer) + "." + std::string(canonical) + std::string(kind);
}

}  // namespace

rt::Result<std::vector<TensorInfo>> canonicalGgufTensors(const GgufFile& gguf, const ModelConfig& config) {
  std::vector<TensorInfo> tensors;
  for (const GgufTensor& source : gguf.tensors) {
    if (source.name == "rope_freqs.weight") continue;
    auto name = canonicalName(gguf, source, config.layers);
    if (!name) return name.takeStatus();
    TensorInfo tensor;
    tensor.name = name.take();
    tensor.sourceName = source.name;
    tensor.type = source.type;
    tensor.shape = source.shape;
    tensor.offset = source.offset;
    tensor.bytes = source.bytes;
    // Only llama's converter permutes: its graph rotates adjacent pairs, the others' rotate halves.
    bool rotary = tensor.name.find(".self_attn.q_proj.") != std::string::npos ||
                  tensor.name.find(".self_attn.k_proj.") != std::string::npos;
    tensor.ropeInterleaved = rotary && config.family == "llama";
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace llmc
