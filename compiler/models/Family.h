// A model family as data: what its layers are made of, what files call it, what its tensors are called.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace llmc {

/// Tensor names inside a layer, without "model.layers.N." before and ".weight" after.
struct LayerNames {
  std::string_view attentionNorm = "input_layernorm";
  std::string_view q = "self_attn.q_proj", k = "self_attn.k_proj", v = "self_attn.v_proj", o = "self_attn.o_proj";
  std::string_view qNorm = "self_attn.q_norm", kNorm = "self_attn.k_norm";
  std::string_view mlpNorm = "post_attention_layernorm";
  std::string_view gate = "mlp.gate_proj", up = "mlp.up_proj", down = "mlp.down_proj";
};

enum class Bias : uint8_t {
  Never,    ///< a config that asks for one is contradictory
  ByConfig, ///< attention_bias says
  Always,   ///< whatever the config says
};

enum class Window : uint8_t {
  Never,   ///< sliding_window is ignored
  Always,  ///< sliding_window counts when it is given
  Switched ///< use_sliding_window and max_window_layers say whether it counts
};

/// Pre-norm decoder: norm, attention, add, norm, gated MLP, add. Sizes come from the model's own config; a family says
/// which parts it has at all, so that a config cannot turn on what the family never had.
struct Family {
  std::string_view name;             ///< "qwen3": in engines and errors, and config.json's model_type
  std::string_view architecture;     ///< of config.json: "Qwen3ForCausalLM"
  std::string_view ggufArchitecture; ///< general.architecture; empty: the family has none of its own
  Bias qkvBias = Bias::Never;        ///< of the q, k and v projections
  Bias outputBias = Bias::Never;     ///< of the o projection
  bool mlpBias = false;              ///< mlp_bias may ask for one
  bool headNorm = false;             ///< RMS norm over each head of q and k before rotation (QK-norm)
  Window window = Window::Never;
  int64_t headDim = 0;                ///< when config.json has no head_dim; 0: hidden / heads
  bool ggufRotatesPairs = false;      ///< GGUF stores q and k for rotation of adjacent pairs; others rotate halves
  std::string_view ggufWindowed = {}; ///< the family of a GGUF that names this one and gives a window; empty: this one
  LayerNames names = {};
};

/// All families: kNAME of each NAME.cpp in this folder.
std::span<const Family *const> families();

/// By name, by config.json's architecture, by general.architecture of a GGUF; null when there is none.
const Family *findFamily(std::string_view name);
const Family *familyOfArchitecture(std::string_view architecture);
const Family *familyOfGguf(std::string_view architecture);

/// "LlamaForCausalLM, ..." and "llama, ...": for hints.
std::string supportedArchitectures();
std::string supportedGgufArchitectures();

} // namespace llmc
