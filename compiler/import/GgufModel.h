// From GGUF metadata and tensors to the importer's own config, tensor names and tokenizer.
#pragma once

#include <string>
#include <vector>

#include "compiler/import/Checkpoint.h"
#include "compiler/import/Gguf.h"
#include "compiler/import/ModelConfig.h"

namespace llmc {

/// Sizes and rotary embedding from `general.architecture` and the keys under it. Token ids are left to
/// readGgufTokenizer.
rt::Result<ModelConfig> readGgufConfig(const GgufFile& gguf);

/// What a GGUF file calls the tensor `name` of Hugging Face; the name itself when it has no role.
std::string ggufTensorName(std::string_view name, const ModelConfig& config);
/// The tensors under Hugging Face names, without rope_freqs. Names of no known role keep their GGUF name.
rt::Result<std::vector<TensorInfo>> canonicalGgufTensors(const GgufFile& gguf, const ModelConfig& config);

/// Tokenizer of a GGUF as the text of a tokenizer.json, and what goes with it.
struct GgufTokenizer {
  std::string json;
  std::string chatTemplate;
  std::string bosToken, eosToken;
  int64_t vocab = 0;
};

/// Sets bosId, eosIds and addBos in `config` as well.
rt::Result<GgufTokenizer> readGgufTokenizer(const GgufFile& gguf, ModelConfig& config);

}  // namespace llmc
