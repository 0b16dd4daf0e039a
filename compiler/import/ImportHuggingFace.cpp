// A Hugging Face folder (or one .safetensors with the folder's files beside it) as an ImportedModel.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

#include "compiler/import/CheckTensors.h"
#include "compiler/import/JsonFields.h"
#include "compiler/import/ModelSource.h"
#include "compiler/import/ShardIndex.h"
#include "compiler/import/StrictJson.h"
#include "compiler/import/TokenizerCheck.h"
#include "compiler/import/Utf8.h"
#include "runtime/base/limits.h"

namespace llmc {
namespace {

using rt::Status;
using Json = nlohmann::json;
namespace limits = rt::limits;

bool exists(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0;
}

rt::Result<std::string> readText(const std::string& path, uint64_t limit, const std::string& code,
                                 const ImportOptions& options) {
  auto file = openInput(path, options);
  if (!file) return file.takeStatus();
  return (*file)->readAll(limit, code);
}

/// A JSON file with an object, and its text for the places of errors.
struct JsonFile {
  std::string name, text = "{}";
  Json json = Json::object();
};

/// An empty object when there is no such file.
rt::Result<JsonFile> readOptionalJson(const std::string& folder, const std::string& name, uint64_t limit,
                                      const ImportOptions& options) {
  const std::string path = folder + "/" + name;
  JsonFile file;
  file.name = shownPath(path);
  if (!exists(path)) return file;
  auto text = readText(path, limit, "CF_TOO_LARGE", options);
  if (!text) return text.takeStatus();
  file.text = text.take();
  auto json = parseStrictJson(file.text, file.name, "CF");
  if (!json) return json.takeStatus();
  if (!json->is_object()) return importError("CF_JSON", {file.name, 0}, "must be a JSON object");
  file.json = json.take();
  return file;
}

rt::Result<std::unique_ptr<Checkpoint>> openWeights(const std::string& folder, const std::string& weights,
                                                    const ImportOptions& options) {
  if (!weights.empty()) return openSingle(weights, options);
  std::string single = folder + "/model.safetensors", index = folder + "/model.safetensors.index.json";
  if (exists(single) || !exists(index)) return openSingle(single, options);
  auto text = readText(index, limits::kIndexBytes, "IX_TOO_LARGE", options);
  if (!text) return text.takeStatus();
  auto parsed = parseShardIndex(*text, shownPath(index));
  if (!parsed) return parsed.takeStatus();
  return openShards(folder, *parsed, options);
}

/// Text of a special token in tokenizer_config.json: a string, or an object with the text as content.
std::string specialText(const Json& json, const char* key) {
  auto it = json.find(key);
  if (it == json.end()) return "";
  if (it->is_string()) return it->get<std::string>();
  if (it->is_object() && it->contains("content") && (*it)["content"].is_string())
    return (*it)["content"].get<std::string>();
  return "";
}

/// What tokenizer_config.json says of chat_template: a string, or a list of named ones of which "default" counts. Null
/// counts as absent.
rt::Result<std::string> configuredTemplate(const JsonFile& config) {
  const auto wrong = [&](const JsonPath& path, const char* wanted) {
    return importError("CF_TYPE", JsonPlaces(config.text, config.name).at(path, "chat_template"), wanted);
  };
  auto it = config.json.find("chat_template");
  if (it == config.json.end() || it->is_null()) return std::string();
  if (it->is_string()) return it->get<std::string>();
  if (!it->is_array()) return wrong({"chat_template"}, "must be a string or a list of named templates");
  std::string text;
  for (size_t i = 0; i < it->size(); ++i) {
    const Json& entry = (*it)[i];
    const auto isText = [&](const char* key) { return entry.contains(key) && entry[key].is_string(); };
    if (!entry.is_object() || !isText("name") || !isText("template"))
      return wrong({"chat_template", std::to_string(i)}, "must be an object with the strings 'name' and 'template'");
    if (entry["name"] == "default") text = entry["template"].get<std::string>();
  }
  return text;
}

/// chat_template.jinja, else what tokenizer_config.json says; empty: none.
rt::Result<std::string> chatTemplateOf(const std::string& folder, const JsonFile& config,
                                       const ImportOptions& options) {
  const std::string path = folder + "/chat_template.jinja";
  auto text =
      exists(path) ? readText(path, limits::kTemplateBytes, "TM_TOO_LARGE", options) : configuredTemplate(config);
  if (!text) return text;
  if (text->size() > limits::kTemplateBytes)
    return importError("TM_TOO_LARGE", JsonPlaces(config.text, config.name).atKey("chat_template"),
                       "has " + std::to_string(text->size()) + " bytes; at most 1 MiB is read");
  if (size_t bad = utf8ValidPrefix(*text); bad < text->size())
    return importError("TM_UTF8", {shownPath(path), static_cast<int64_t>(bad)}, "not UTF-8 text");
  return text;
}

std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

/// One sampling default, when generation_config.json has it and it is in range.
Status copyDefault(const JsonFields& fields, const char* key, double low, double high, Json& defaults) {
  if (!fields.find(key)) return Status::ok();
  double value = 0;
  LLMC_TRY(fields.real(key, value));
  if (!(value >= low && value <= high))
    return importError("CF_RANGE", fields.place(key),
                       "sampling default " + shown(value) + " is not in " + shown(low) + " to " + shown(high));
  defaults[key] = value;
  return Status::ok();
}

Status readDefaults(const JsonFile& generation, ModelConfig& config, Json& defaults) {
  const JsonPlaces places(generation.text, generation.name);
  JsonFields fields(generation.json, places);
  LLMC_TRY(copyDefault(fields, "temperature", 0, 100, defaults));
  LLMC_TRY(copyDefault(fields, "top_p", 0, 1, defaults));
  LLMC_TRY(copyDefault(fields, "min_p", 0, 1, defaults));
  LLMC_TRY(copyDefault(fields, "typical_p", 1e-6, 1, defaults));
  LLMC_TRY(copyDefault(fields, "repetition_penalty", 0.01, 100, defaults));
  int64_t topK = -1;
  LLMC_TRY(fields.integer("top_k", topK));
  if (topK > 0) defaults["top_k"] = std::min(topK, config.vocab);
  bool sample = true;
  LLMC_TRY(fields.boolean("do_sample", sample));
  // The command line heeds it, a server does not: the temperature stays.
  if (!sample) defaults["do_sample"] = false;
  // transformers' own temperature is 1.
  if (sample && fields.find("do_sample") && !defaults.contains("temperature")) defaults["temperature"] = 1.0;
  LLMC_TRY(checkSpecialId(fields, "bos_token_id", config.vocab));  // not used: no text starts from it alone
  // The generation config speaks for the chat model; config.json often keeps the base model's ids.
  LLMC_TRY(fields.ids("eos_token_id", config.eosIds));
  return validateConfig(config, generation.name,
                        [&](std::string_view name) { return std::max<int64_t>(0, places.atKey(name).offset); });
}

/// Tokenizer file, template, defaults; everything of the model that is text.
Status readTexts(const std::string& folder, const ImportOptions& options, ImportedModel& model) {
  const std::string path = folder + "/tokenizer.json", file = shownPath(path), jinja = folder + "/chat_template.jinja";
  auto text = readText(path, limits::kTokenizerBytes, "TK_TOO_LARGE", options);
  if (!text) return text.takeStatus();
  auto facts = checkTokenizerJson(*text, file);
  if (!facts) return facts.takeStatus();
  if (facts->idEnd > model.config.vocab)
    return importError("CF_INCONSISTENT", {file, JsonPlaces(*text, file).offsetOf(facts->lastId)},
                       "has token ids up to " + std::to_string(facts->idEnd - 1) + " for a vocabulary of " +
                           std::to_string(model.config.vocab));
  model.tokenizerJson = text.take();
  auto tokenizerConfig = readOptionalJson(folder, "tokenizer_config.json", limits::kTokenizerConfigBytes, options);
  if (!tokenizerConfig) return tokenizerConfig.takeStatus();
  auto generation = readOptionalJson(folder, "generation_config.json", limits::kConfigBytes, options);
  if (!generation) return generation.takeStatus();
  auto chat = chatTemplateOf(folder, *tokenizerConfig, options);
  if (!chat) return chat.takeStatus();
  model.chatTemplate = chat.take();
  model.tokenizerPlace = rt::escaped(file);
  model.templatePlace =
      exists(jinja) ? rt::escaped(shownPath(jinja)) : rt::escaped(tokenizerConfig->name) + ": 'chat_template'";
  Json defaults = Json::object();
  LLMC_TRY(readDefaults(*generation, model.config, defaults));
  std::string bos = specialText(tokenizerConfig->json, "bos_token"),
              eos = specialText(tokenizerConfig->json, "eos_token");
  if (auto it = facts->addedIds.find(bos); model.config.bosId < 0 && it != facts->addedIds.end())
    model.config.bosId = it->second;
  if (auto it = facts->addedIds.find(eos); model.config.eosIds.empty() && it != facts->addedIds.end())
    model.config.eosIds = {it->second};
  model.config.addBos = facts->firstId >= 0 && facts->firstId == model.config.bosId;
  defaults["eos_token_ids"] = model.config.eosIds;
  if (model.config.bosId >= 0) defaults["bos_token_id"] = model.config.bosId;
  if (!bos.empty()) defaults["bos_token"] = bos;
  if (!eos.empty()) defaults["eos_token"] = eos;
  model.defaultsJson = defaults.dump();
  return Status::ok();
}

}  // namespace

rt::Result<ImportedModel> importHuggingFace(const std::string& folder, const std::string& weights,
                                            const ImportOptions& options) {
  ImportedModel model;
  auto configText = readText(folder + "/config.json", limits::kConfigBytes, "CF_TOO_LARGE", options);
  if (!configText) return configText.takeStatus();
  auto config = parseHfConfig(*configText, shownPath(folder + "/config.json"), model.warnings);
  if (!config) return config.takeStatus();
  model.config = config.take();
  auto checkpoint = openWeights(folder, weights, options);
  if (!checkpoint) return checkpoint.takeStatus();
  model.checkpoint = std::move(*checkpoint);
  LLMC_TRY(checkTensors(*model.checkpoint, model.config, model.warnings));
  LLMC_TRY(readTexts(folder, options, model));
  model.provenanceJson = provenanceText("safetensors", std::string(model.config.family->name));
  return model;
}

}  // namespace llmc
