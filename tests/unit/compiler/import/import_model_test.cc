// Whole models: folders, single files, completeness (row ST20), and the real model when it is at hand.
#include "compiler/import/ImportedModel.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

TEST(ImportModel, FolderAndFileGiveTheSame) {
  TempFolder folder;
  writeTinyFolder(folder);
  auto whole = importModel(folder.path()), single = importModel(folder.path() + "/model.safetensors");
  ASSERT_TRUE(whole.isOk()) << whole.status().toString();
  ASSERT_TRUE(single.isOk()) << single.status().toString();
  EXPECT_EQ(whole->provenanceJson, single->provenanceJson);
  EXPECT_EQ(whole->provenanceJson.find(folder.path()), std::string::npos);
  EXPECT_EQ(whole->defaultsJson, R"({"eos_token_ids":[7]})");
  EXPECT_EQ(whole->checkpoint->tensors().size(), 11u);
}
TEST(ImportModel, ErrorsNamePathsThatCanBeOpened) {
  const std::string longName(150, 'd');
  for (const char* file : {"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json",
                           "model.safetensors", "model.safetensors.index.json", "chat_template.jinja"}) {
    TempFolder folder;
    writeTinyFolder(folder);
    std::filesystem::create_directories(folder.path() + "/" + longName + "/" + longName);
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
      if (entry.is_regular_file()) std::filesystem::copy(entry.path(), folder.path() + "/" + longName + "/" + longName);
    if (std::string(file).ends_with("index.json"))
      std::filesystem::remove(folder.path() + "/" + longName + "/" + longName + "/model.safetensors");
    folder.write(longName + "/" + longName + "/" + file, "{\"a\": \xff");
    // Detours of the path that was given are left out.
    auto model = importModel(folder.path() + "/" + longName + "//./" + longName + "/");
    ASSERT_FALSE(model.isOk()) << file;
    const std::string& message = model.status().message();
    const std::string path = message.substr(0, message.find(": "));
    EXPECT_EQ(path, folder.path() + "/" + longName + "/" + longName + "/" + file) << message;
    EXPECT_TRUE(std::filesystem::exists(path)) << message;
  }
}
TEST(ImportModel, ST20_TensorsMustMatchTheConfig) {
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
TEST(ImportModel, ExtraTensorsAreRefused) {
  GgufWriter w = tinyGguf();
  w.tensor("mystery.weight", {8}, 0, std::string(32, '\0'));
  TempFolder folder;
  EXPECT_EQ(codeOf(importModel(folder.write("m.gguf", w.build()))), "MODEL_TENSOR");
}
TEST(ImportModel, UnreadableTypeIsNamed) {
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
TEST(ImportModel, GenerationConfigBecomesDefaults) {
  TempFolder folder;
  writeTinyFolder(folder);
  folder.write(
      "generation_config.json",
      R"({"temperature":0.6,"top_p":0.9,"top_k":50,"repetition_penalty":1.1,"do_sample":true,"eos_token_id":[7,6]})");
  folder.write(
      "tokenizer_config.json",
      R"({"bos_token":null,"eos_token":{"content":"<|end|>"},"chat_template":[{"name":"tool_use","template":"x"},{"name":"default","template":"{{ y }}"}]})");
  auto model = importModel(folder.path());
  ASSERT_TRUE(model.isOk()) << model.status().toString();
  EXPECT_EQ(model->config.eosIds, (std::vector<int64_t>{7, 6}));
  EXPECT_EQ(model->chatTemplate, "{{ y }}");
  EXPECT_EQ(
      nlohmann::json::parse(model->defaultsJson),
      nlohmann::json::parse(
          R"({"temperature":0.6,"top_p":0.9,"top_k":8,"repetition_penalty":1.1,"eos_token_ids":[7,6],"eos_token":"<|end|>"})"));
  folder.write("generation_config.json", R"({"temperature":0.6,"do_sample":false})");
  const auto greedy = nlohmann::json::parse(importModel(folder.path())->defaultsJson);
  EXPECT_EQ(greedy["temperature"], 0.6) << "a server does not look at do_sample";
  EXPECT_EQ(greedy["do_sample"], false);
  folder.write("generation_config.json", R"({"do_sample":true,"typical_p":0.5})");  // transformers' temperature is 1
  auto sampled = nlohmann::json::parse(importModel(folder.path())->defaultsJson);
  EXPECT_EQ(sampled["temperature"], 1.0);
  EXPECT_EQ(sampled["typical_p"], 0.5);
  for (const char* unsaid : {R"({"top_p":0.5})", R"({"do_sample":null})"}) {  // nothing says that it samples
    folder.write("generation_config.json", unsaid);
    EXPECT_FALSE(nlohmann::json::parse(importModel(folder.path())->defaultsJson).contains("temperature"));
  }
  folder.write("generation_config.json", R"({"temperature":-1})");
  EXPECT_EQ(codeOf(importModel(folder.path())), "CF_RANGE");
  for (const char* outside : {R"({"eos_token_id":99})", R"({"eos_token_id":-1})", R"({"bos_token_id":99})",
                              R"({"bos_token_id":-1})", R"({"eos_token_id":[7,-1]})"}) {
    folder.write("generation_config.json", outside);
    EXPECT_EQ(codeOf(importModel(folder.path())), "CF_INCONSISTENT") << outside;
  }
  folder.write("generation_config.json", R"({"bos_token_id":null,"eos_token_id":7,"pad_token_id":-1})");
  EXPECT_EQ(codeOf(importModel(folder.path())), "ok");
}
TEST(ImportModel, ALargeTemplateIsRefusedWithTheLimitOfTemplates) {
  TempFolder folder;
  writeTinyFolder(folder);
  const auto refused = [&](const std::string& place) {
    auto model = importModel(folder.path());
    EXPECT_EQ(codeOf(model), "TM_TOO_LARGE") << place;
    EXPECT_NE(model.status().message().find(place), std::string::npos) << model.status().message();
  };
  folder.write("tokenizer_config.json", R"({"chat_template":")" + std::string(10 << 20, 'x') + "\"}");
  refused("tokenizer_config.json: byte 17: 'chat_template': has 10485760 bytes; at most 1 MiB is read");
  folder.write("chat_template.jinja", std::string(10 << 20, 'x'));
  refused("chat_template.jinja");
  folder.write("chat_template.jinja", "x");
  ASSERT_EQ(::truncate((folder.path() + "/tokenizer_config.json").c_str(), (64 << 20) + 1), 0);
  EXPECT_EQ(codeOf(importModel(folder.path())), "CF_TOO_LARGE");
}
TEST(ImportModel, OddPaths) {
  TempFolder folder;
  EXPECT_EQ(codeOf(importModel(folder.path() + "/none.gguf")), "IX_MISSING");
  EXPECT_EQ(codeOf(importModel(folder.path())), "IX_MISSING");
  EXPECT_EQ(codeOf(importModel("")), "IX_PATH");
  EXPECT_EQ(codeOf(importModel(folder.write("x.bin", "hello"))), "IX_FORMAT");
  EXPECT_EQ(codeOf(importModel(folder.write("m", tinyGguf().build()))), "ok");
  std::string fifo = folder.path() + "/f.gguf";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(codeOf(importModel(fifo)), "IX_NOT_REGULAR");
}
TEST(ImportModel, CF1_HugeConfig) {
  TempFolder folder;
  writeTinyFolder(folder);
  ASSERT_EQ(::truncate((folder.path() + "/config.json").c_str(), 1 << 30), 0);
  EXPECT_EQ(codeOf(importModel(folder.path())), "CF_TOO_LARGE");
}
TEST(ImportModel, EveryBitFlipOfATinyGgufIsHandled) {
  TempFolder folder;
  std::string bytes = tinyGguf().build();
  size_t metadata = bytes.size() - 11 * 32 - 64 * 8 * 4;
  for (size_t i = 0; i < std::min<size_t>(metadata, 1400); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    auto model = importModel(folder.write("m.gguf", flipped));
    if (!model) EXPECT_FALSE(model.status().code().empty());
  }
}
TEST(ImportModel, RealModel) {
  const char* path = std::getenv("LLMC_TEST_GGUF");
  if (!path) GTEST_SKIP() << "set LLMC_TEST_GGUF to SmolLM2-135M-Instruct.Q4_1.gguf";
  auto model = importModel(path);
  ASSERT_TRUE(model.isOk()) << model.status().toString();
  EXPECT_EQ(model->config.layers, 30);
  EXPECT_EQ(model->config.vocab, 49152);
  EXPECT_EQ(model->config.ropeTheta, 100000.0);
  EXPECT_FALSE(model->config.addBos);
  EXPECT_EQ(model->checkpoint->tensors().size(), 272u);
  EXPECT_EQ(model->chatTemplate.size(), 368u);
}

}  // namespace
}  // namespace llmc
