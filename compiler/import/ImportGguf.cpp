// A .gguf file as an ImportedModel.
#include <nlohmann/json.hpp>

#include "compiler/import/CheckTensors.h"
#include "compiler/import/GgufModel.h"
#include "compiler/import/ImportError.h"
#include "compiler/import/ModelSource.h"

namespace llmc {
namespace {

rt::Status checkVocabulary(const GgufFile& gguf, const ModelConfig& config, int64_t tokens) {
  const std::string& file = gguf.file->name();
  if (tokens > config.vocab)
    return importError("CF_INCONSISTENT",
                       {file, static_cast<int64_t>(gguf.find("tokenizer.ggml.tokens")->offset), "token_embd.weight"},
                       "has " + std::to_string(config.vocab) + " rows for " + std::to_string(tokens) + " tokens");
  std::string key = gguf.find("general.architecture")->text + ".vocab_size";  // its family was found by it
  const GgufValue* stated = gguf.find(key);
  if (!stated) return rt::Status::ok();
  auto number = stated->integer();
  if (!number) return importError("CF_TYPE", {file, static_cast<int64_t>(stated->offset), key}, "must be an integer");
  if (*number != config.vocab)
    return importError(
        "CF_INCONSISTENT", {file, static_cast<int64_t>(stated->offset), key},
        "is " + std::to_string(*number) + " where the embedding has " + std::to_string(config.vocab) + " rows");
  return rt::Status::ok();
}

/// Sampling defaults from general.sampling.* where a file has them.
std::string defaultsText(const GgufFile& gguf, const ModelConfig& config, const GgufTokenizer& tokenizer) {
  nlohmann::json json = {{"eos_token_ids", config.eosIds}};
  if (config.bosId >= 0) json["bos_token_id"] = config.bosId;
  if (!tokenizer.bosToken.empty()) json["bos_token"] = tokenizer.bosToken;
  if (!tokenizer.eosToken.empty()) json["eos_token"] = tokenizer.eosToken;
  struct Key {
    const char *gguf, *name;
    double low, high;
  };
  for (const Key& key : {Key{"general.sampling.temp", "temperature", 0, 100},
                         Key{"general.sampling.top_p", "top_p", 0, 1}, Key{"general.sampling.min_p", "min_p", 0, 1},
                         Key{"general.sampling.penalty_repeat", "repetition_penalty", 0.01, 100}}) {
    const GgufValue* value = gguf.find(key.gguf);
    auto number = value ? value->real() : std::nullopt;
    if (number && *number >= key.low && *number <= key.high) json[key.name] = *number;
  }
  const GgufValue* topK = gguf.find("general.sampling.top_k");
  auto count = topK ? topK->integer() : std::nullopt;
  if (count && *count > 0 && *count <= config.vocab) json["top_k"] = *count;
  return json.dump();
}

}  // namespace

rt::Result<ImportedModel> importGguf(std::shared_ptr<const SourceFile> file, const ImportOptions& options) {
  auto gguf = readGguf(std::move(file));
  if (!gguf) return gguf.takeStatus();
  auto config = readGgufConfig(*gguf);
  if (!config) return config.takeStatus();
  ImportedModel model;
  model.config = config.take();
  auto tensors = canonicalGgufTensors(*gguf, model.config);
  if (!tensors) return tensors.takeStatus();
  model.checkpoint = std::make_unique<Checkpoint>(std::vector{gguf->file}, tensors.take());
  model.checkpoint->allowNonFinite(options.allowNonFinite);
  const MissingTensor missing{[&](std::string_view name) { return ggufTensorName(name, model.config); },
                              "the file is not complete: fetch it, or convert the model, again"};
  LLMC_TRY(checkTensors(*model.checkpoint, model.config, model.warnings, missing));
  auto tokenizer = readGgufTokenizer(*gguf, model.config);
  if (!tokenizer) return tokenizer.takeStatus();
  LLMC_TRY(checkVocabulary(*gguf, model.config, tokenizer->vocab));
  model.tokenizerJson = std::move(tokenizer->json);
  model.chatTemplate = std::move(tokenizer->chatTemplate);
  const std::string shown = rt::escaped(model.checkpoint->files()[0]->name());
  model.templatePlace = shown + ": 'tokenizer.chat_template'";
  model.tokenizerPlace = shown + ": 'tokenizer.ggml'";
  model.defaultsJson = defaultsText(*gguf, model.config, *tokenizer);
  model.provenanceJson = provenanceText("gguf", std::string(model.config.family->name));
  return model;
}

}  // namespace llmc
