// Checkpoints that do not have the tensors which their config asks for: row ST20 of the catalogue.
#include <nlohmann/json.hpp>

#include "compiler/import/ImportedModel.h"
#include "tests/unit/compiler/import/gguf_models.h"

namespace llmc {
namespace {

TEST(CheckTensors, ST20_TensorsMustMatchTheConfig) {
  TempFolder folder;
  writeTinyFolder(folder);
  folder.write("model.safetensors", tinySafetensors("model.layers.0.mlp.up_proj.weight"));
  auto missing = importModel(folder.path());
  EXPECT_EQ(codeOf(missing), "MODEL_TENSOR");
  EXPECT_NE(missing.status().message().find("mlp.up_proj"), std::string::npos);
  writeTinyFolder(folder);
  auto config = nlohmann::json::parse(tinyConfig());
  config["intermediate_size"] = 96;
  folder.write("config.json", config.dump());
  EXPECT_EQ(codeOf(importModel(folder.path())), "MODEL_TENSOR");  // wrong shape
  config = nlohmann::json::parse(tinyConfig());
  config["vocab_size"] = 9;
  folder.write("config.json", config.dump());
  EXPECT_EQ(codeOf(importModel(folder.path())), "CF_INCONSISTENT");  // CF5
  config = nlohmann::json::parse(tinyConfig());
  config["tie_word_embeddings"] = false;
  folder.write("config.json", config.dump());
  EXPECT_EQ(codeOf(importModel(folder.path())), "MODEL_TENSOR");  // no lm_head
  config["tie_word_embeddings"] = true;
  config["architectures"] = {"Qwen2ForCausalLM"};
  folder.write("config.json", config.dump());
  EXPECT_EQ(codeOf(importModel(folder.path())), "MODEL_TENSOR");  // no biases
}

TEST(CheckTensors, ExtraTensorsAreRefused) {
  GgufWriter w = tinyGguf();
  w.tensor("mystery.weight", {8}, 0, std::string(32, '\0'));
  TempFolder folder;
  EXPECT_EQ(codeOf(importModel(folder.write("m.gguf", w.build()))), "MODEL_TENSOR");
}

TEST(CheckTensors, AWrongShapeIsToldByTheNameThatTheFileHas) {
  auto model = importGgufOf(tinyGguf([](GgufWriter& w, const std::string& key) {
    if (key != "llama.feed_forward_length") return false;
    w.u32(key, 96);
    return true;
  }));
  EXPECT_EQ(codeOf(model), "MODEL_TENSOR");
  EXPECT_NE(model.status().message().find("'blk.0.ffn_gate.weight': has shape [32, 64]; the config asks for [96, 64]"),
            std::string::npos)
      << model.status().message();
}

TEST(CheckTensors, UnreadableTypeIsNamed) {
  TempFolder folder;
  writeTinyFolder(folder);
  std::string bytes = tinySafetensors();
  size_t at = bytes.find("\"F32\"");
  bytes.replace(at, 5, "\"I32\"");
  folder.write("model.safetensors", bytes);
  auto model = importModel(folder.path());
  EXPECT_EQ(codeOf(model), "MODEL_TENSOR");
  EXPECT_NE(model.status().message().find("I32"), std::string::npos);
}

}  // namespace
}  // namespace llmc
