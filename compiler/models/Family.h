// A model family as data: what its layers are made of and what the tensors are called.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace llmc {

/// Tensor names inside a layer, without "model.layers.N." before and ".weight" after.
struct LayerNames {
  llvm::StringLiteral attentionNorm = "input_layernorm";
  llvm::StringLiteral q = "self_attn.q_proj", k = "self_attn.k_proj", v = "self_attn.v_proj", o = "self_attn.o_proj";
  llvm::StringLiteral qNorm = "self_attn.q_norm", kNorm = "self_attn.k_norm";
  llvm::StringLiteral mlpNorm = "post_attention_layernorm";
  llvm::StringLiteral gate = "mlp.gate_proj", up = "mlp.up_proj", down = "mlp.down_proj";
};

/// Pre-norm decoder: norm, attention, add, norm, gated MLP, add. Sizes come from the model's own config; the switches
/// say which parts the family has at all, so that a config cannot turn on what the family never had.
struct Family {
  llvm::StringLiteral name;
  bool qkvBias = false;       ///< q, k and v projections have a bias
  bool outputBias = false;    ///< so may the o projection and the MLP (llama's attention_bias, mlp_bias)
  bool headNorm = false;      ///< RMS norm over each head of q and k before rotation (QK-norm)
  bool slidingWindow = false; ///< attention may be limited to a window
  LayerNames names = {};
};

/// The family called `name`, or null.
const Family *findFamily(llvm::StringRef name);

extern const Family kLlama, kMistral, kQwen2, kQwen3;

} // namespace llmc
