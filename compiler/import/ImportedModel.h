// A model as the compiler sees it, whatever files it came from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compiler/import/Checkpoint.h"
#include "compiler/import/ModelConfig.h"
#include "runtime/base/status.h"

namespace llmc {

struct ImportedModel {
  ModelConfig config;
  std::unique_ptr<Checkpoint> checkpoint;
  std::string tokenizerJson;   ///< text of a Hugging Face tokenizer.json (made from the metadata for GGUF)
  std::string chatTemplate;    ///< Jinja; empty when the model has none
  std::string templatePlace;   ///< file and object that the template came from, for messages; escaped
  std::string tokenizerPlace;  ///< the same of the tokenizer
  /// JSON object, any of: temperature, top_p, top_k, min_p, repetition_penalty, eos_token_ids (array), bos_token_id,
  /// bos_token, eos_token (texts, as chat templates use them).
  std::string defaultsJson;
  /// JSON object: source ("gguf", "safetensors"), architecture. Same bytes wherever the files lie and whatever they are
  /// called.
  std::string provenanceJson;
  std::vector<std::string> warnings;
};

struct ImportOptions {
  bool strict = false;          ///< refuse files reached through symbolic links (IX_SYMLINK)
  bool allowNonFinite = false;  ///< let NaN and infinite weights through
};

/// Imports a HF folder, one .safetensors with its companion files beside it, or one .gguf (v2, v3). When it succeeds,
/// every tensor that the config asks for exists with the right shape and a readable type, so later stages need not
/// check again.
rt::Result<ImportedModel> importModel(const std::string& path, const ImportOptions& options = {});

}  // namespace llmc
