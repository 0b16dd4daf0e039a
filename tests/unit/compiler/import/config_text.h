// config.json of the tiny model with one field changed, and the code that reading it gives.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "compiler/import/ModelConfig.h"
#include "tests/unit/compiler/import/model_files.h"

namespace llmc {

inline std::vector<std::string> configWarnings;

inline rt::Result<ModelConfig> parseConfig(const std::string& text) {
  return parseHfConfig(text, "config.json", configWarnings);
}
/// The honest config with one field set to `value` (JSON).
inline std::string configWith(const std::string& key, const std::string& value) {
  auto json = nlohmann::json::parse(tinyConfig());
  json.erase(key);
  std::string text = json.dump();
  return text.substr(0, text.size() - 1) + ",\"" + key + "\":" + value + "}";
}
/// A refusal must name the file and a byte of it.
inline std::string configTextCode(const std::string& text) {
  return placedCodeOf(parseConfig(text), "config.json", text.size());
}
inline std::string configCode(const std::string& key, const std::string& value) {
  return configTextCode(configWith(key, value));
}

}  // namespace llmc
