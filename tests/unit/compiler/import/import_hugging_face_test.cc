// Folders in the layout of Hugging Face: their texts, limits, and the paths that errors name.
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "compiler/import/ImportedModel.h"
#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

TEST(ImportHuggingFace, GenerationConfigBecomesDefaults) {
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

TEST(ImportHuggingFace, ALargeTemplateIsRefusedWithTheLimitOfTemplates) {
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

TEST(ImportHuggingFace, CF1_HugeConfig) {
  TempFolder folder;
  writeTinyFolder(folder);
  ASSERT_EQ(::truncate((folder.path() + "/config.json").c_str(), 1 << 30), 0);
  EXPECT_EQ(codeOf(importModel(folder.path())), "CF_TOO_LARGE");
}

TEST(ImportHuggingFace, ErrorsNamePathsThatCanBeOpened) {
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

}  // namespace
}  // namespace llmc
