// ModelConfig from a Hugging Face config.json.
#include <algorithm>
#include <map>

#include "compiler/import/JsonFields.h"
#include "compiler/import/ModelConfig.h"
#include "compiler/import/ModelName.h"
#include "compiler/import/StrictJson.h"

namespace llmc {
namespace {

using rt::Status;
using Json = nlohmann::json;

Status readFamily(const JsonFields& fields, ModelConfig& config) {
  Place place = fields.place("architectures");
  std::string hint = "supported are " + supportedArchitectures();
  const Json* list = fields.find("architectures");
  if (!list) return importError("CF_ARCH", {place.file, 0, place.object}, "the field is missing", hint);
  if (!list->is_array() || list->size() != 1 || !list->front().is_string())
    return importError("CF_ARCH", place, "must be an array of exactly one name", hint);
  auto name = list->front().get<std::string>();
  config.family = familyOfArchitecture(name);
  if (!config.family)
    return importError("CF_ARCH", {place.file, place.offset, name}, "architecture is not supported", hint);
  std::string type(config.family->name);
  LLMC_TRY(fields.text("model_type", type));
  if (type == config.family->name) return Status::ok();
  return importError("CF_INCONSISTENT", fields.place("model_type"),
                     "is '" + rt::escaped(type) + "' where architectures says '" + name + "', whose model_type is '" +
                         std::string(config.family->name) + "'",
                     "correct the one that is wrong, or leave model_type out");
}

Status readSizes(const JsonFields& fields, ModelConfig& config) {
  LLMC_TRY(fields.integer("hidden_size", config.hidden, true));
  LLMC_TRY(fields.integer("num_hidden_layers", config.layers, true));
  LLMC_TRY(fields.integer("num_attention_heads", config.heads, true));
  config.kvHeads = config.heads;
  LLMC_TRY(fields.integer("num_key_value_heads", config.kvHeads));
  LLMC_TRY(fields.integer("intermediate_size", config.intermediate, true));
  LLMC_TRY(fields.integer("vocab_size", config.vocab, true));
  LLMC_TRY(fields.integer("max_position_embeddings", config.maxPositions, true));
  config.normEps = 1e-6;
  LLMC_TRY(fields.real("rms_norm_eps", config.normEps));
  config.headDim = config.family->headDim;
  LLMC_TRY(fields.integer("head_dim", config.headDim));
  if (config.headDim != 0 || config.heads <= 0) return Status::ok();
  if (config.hidden % config.heads != 0)
    return importError("CF_INCONSISTENT", fields.place("num_attention_heads"),
                       "does not divide hidden_size, and head_dim is not given");
  config.headDim = config.hidden / config.heads;
  return Status::ok();
}

/// `key`: of the outermost object, under which `object` stands.
Status readScaling(const Json& object, const JsonPlaces& places, const char* key, ModelConfig& config) {
  if (!object.is_object()) return importError("CF_TYPE", places.atKey(key), "must be an object");
  JsonFields fields(object, places, key);
  std::string kind = "default";
  LLMC_TRY(fields.text("type", kind));
  LLMC_TRY(fields.text("rope_type", kind));
  LLMC_TRY(fields.real("rope_theta", config.ropeTheta));
  RopeScaling& scaling = config.ropeScaling;
  if (kind == "default") return Status::ok();
  if (kind != "linear" && kind != "llama3")
    return importError("CF_RANGE", places.atKey(key), "rope type '" + rt::escaped(kind) + "' is not supported",
                       "supported are default, linear and llama3");
  LLMC_TRY(fields.real("factor", scaling.factor, true));
  scaling.kind = kind == "linear" ? RopeScaling::Kind::Linear : RopeScaling::Kind::Llama3;
  if (kind == "linear") return Status::ok();
  LLMC_TRY(fields.real("low_freq_factor", scaling.lowFreqFactor, true));
  LLMC_TRY(fields.real("high_freq_factor", scaling.highFreqFactor, true));
  return fields.integer("original_max_position_embeddings", scaling.originalPositions, true);
}

Status readRope(const JsonFields& fields, const JsonPlaces& places, ModelConfig& config) {
  LLMC_TRY(fields.real("rope_theta", config.ropeTheta));
  if (const Json* scaling = fields.find("rope_scaling"))
    LLMC_TRY(readScaling(*scaling, places, "rope_scaling", config));
  // Newer transformers keep theta and scaling in one object.
  if (const Json* parameters = fields.find("rope_parameters"))
    LLMC_TRY(readScaling(*parameters, places, "rope_parameters", config));
  double part = 1;
  LLMC_TRY(fields.real("partial_rotary_factor", part));
  if (!(part > 0 && part <= 1))
    return importError("CF_RANGE", fields.place("partial_rotary_factor"), "must be above 0 and at most 1");
  config.ropeDim = static_cast<int64_t>(static_cast<double>(std::clamp<int64_t>(config.headDim, 0, 1 << 20)) * part);
  return Status::ok();
}

/// Layers of other kinds than attention would be computed as what they are not.
Status checkLayerTypes(const JsonFields& fields) {
  const Json* types = fields.find("layer_types");
  if (!types) return Status::ok();
  if (!types->is_array()) return fields.wrong("layer_types", "an array");
  for (const Json& type : *types)
    if (type != "full_attention" && type != "sliding_attention")
      return importError("CF_RANGE", fields.place("layer_types"),
                         "has a layer of type " + rt::escaped(type.dump(-1, ' ', true)) + ", which is not supported",
                         "supported are full_attention and sliding_attention");
  return Status::ok();
}

/// The window when every layer has it; layers of both kinds in one model are refused.
Status readWindow(const JsonFields& fields, ModelConfig& config) {
  LLMC_TRY(checkLayerTypes(fields));
  int64_t window = 0;
  LLMC_TRY(fields.integer("sliding_window", window));
  if (config.family->window == Window::Never) return Status::ok();
  auto mixed = [&] {
    return importError("CF_RANGE", fields.place("sliding_window"),
                       "models in which only some layers have a window are not supported");
  };
  if (config.family->window == Window::Switched) {
    bool used = false;
    int64_t firstLayer = 28;
    LLMC_TRY(fields.boolean("use_sliding_window", used));
    LLMC_TRY(fields.integer("max_window_layers", firstLayer));
    if (!used || firstLayer >= config.layers) return Status::ok();
    if (firstLayer > 0) return mixed();
  }
  if (const Json* types = fields.find("layer_types")) {
    size_t sliding = static_cast<size_t>(std::count(types->begin(), types->end(), Json("sliding_attention")));
    if (sliding == 0) return Status::ok();
    if (sliding != types->size()) return mixed();
  }
  config.slidingWindow = window;
  return Status::ok();
}

Status readVariants(const JsonFields& fields, ModelConfig& config) {
  LLMC_TRY(fields.boolean("tie_word_embeddings", config.tieEmbeddings));
  LLMC_TRY(fields.boolean("attention_bias", config.attentionBias));
  LLMC_TRY(fields.boolean("mlp_bias", config.mlpBias));
  config.attentionOutBias = config.attentionBias;
  if (config.family->qkvBias == Bias::Always) {
    config.attentionBias = true;
    config.attentionOutBias = config.family->outputBias == Bias::Always;
  }
  config.qkNorm = config.family->headNorm;
  std::string activation = "silu";
  LLMC_TRY(fields.text("hidden_act", activation));
  if (activation == "silu" || activation == "swish")
    config.activation = "silu";
  else if (activation == "gelu_pytorch_tanh" || activation == "gelu_new")
    config.activation = "gelu_tanh";
  else if (activation == "relu")
    config.activation = "relu";
  else
    return importError("CF_RANGE", fields.place("hidden_act"),
                       "activation '" + rt::escaped(activation) + "' is not supported",
                       "supported are silu, gelu_pytorch_tanh, relu");
  LLMC_TRY(fields.text("torch_dtype", config.torchDtype));
  return fields.text("dtype", config.torchDtype);
}

Status readTokens(const JsonFields& fields, ModelConfig& config) {
  // A list of bos ids occurs in no supported family, so one integer it is.
  LLMC_TRY(fields.integer("bos_token_id", config.bosId));
  return fields.ids("eos_token_id", config.eosIds);
}

Status refuseQuantized(const JsonFields& fields) {
  const Json* quantization = fields.find("quantization_config");
  if (!quantization) return Status::ok();
  std::string method = "unnamed";
  if (quantization->is_object() && quantization->contains("quant_method") &&
      (*quantization)["quant_method"].is_string())
    method = (*quantization)["quant_method"].get<std::string>();
  return importError("CF_QUANT", fields.place("quantization_config"),
                     "checkpoints quantized as '" + rt::escaped(method) + "' are not supported",
                     "build from the unquantized model or from a GGUF");
}

/// Byte of the value that validateConfig calls `name`.
int64_t offsetOfName(const JsonPlaces& places, std::string_view name) {
  static const std::map<std::string_view, std::string_view> keys = {{"hidden size", "hidden_size"},
                                                                    {"layer count", "num_hidden_layers"},
                                                                    {"head count", "num_attention_heads"},
                                                                    {"KV head count", "num_key_value_heads"},
                                                                    {"head size", "head_dim"},
                                                                    {"feed-forward size", "intermediate_size"},
                                                                    {"vocabulary size", "vocab_size"},
                                                                    {"context length", "max_position_embeddings"},
                                                                    {"sliding window", "sliding_window"},
                                                                    {"norm epsilon", "rms_norm_eps"},
                                                                    {"rope theta", "rope_theta"},
                                                                    {"rotary dimension", "head_dim"},
                                                                    {"rope scaling factor", "factor"}};
  auto known = keys.find(name);
  std::string key(known == keys.end() ? name : known->second);
  for (const JsonPath& path : {JsonPath{key}, JsonPath{"rope_scaling", key}, JsonPath{"rope_parameters", key}})
    if (int64_t offset = places.offsetOf(path); offset >= 0) return offset;
  return 0;  // follows from others, or from what is not there: the object as a whole
}

}  // namespace

rt::Result<ModelConfig> parseHfConfig(const std::string& text, const std::string& file,
                                      std::vector<std::string>& warnings) {
  auto json = parseStrictJson(text, file, "CF");
  if (!json) return json.takeStatus();
  if (!json->is_object()) return importError("CF_JSON", {file, 0}, "must be a JSON object");
  const JsonPlaces places(text, file);
  JsonFields fields(*json, places);
  for (const char* key : {"auto_map", "custom_pipelines", "trust_remote_code"})
    if (fields.find(key))
      warnings.push_back(rt::escaped(file) + ": '" + key + "' asks for code of the model's own; it is ignored");
  ModelConfig config;
  if (const Json* name = fields.find("_name_or_path"); name && name->is_string())
    config.name = modelName(name->get<std::string>());
  LLMC_TRY(readFamily(fields, config));
  LLMC_TRY(refuseQuantized(fields));
  LLMC_TRY(readSizes(fields, config));
  LLMC_TRY(readRope(fields, places, config));
  LLMC_TRY(readWindow(fields, config));
  LLMC_TRY(readVariants(fields, config));
  LLMC_TRY(readTokens(fields, config));
  LLMC_TRY(validateConfig(config, file, [&](std::string_view name) { return offsetOfName(places, name); }));
  LLMC_TRY(checkSpecialId(fields, "bos_token_id", config.vocab));
  return config;
}

}  // namespace llmc
