// config.json as a config: rows CF1, CF2, CF5 and CF8 to CF10 of the catalogue.
#include "tests/unit/compiler/import/config_text.h"

namespace llmc {
namespace {

TEST(HfConfig, Honest) {
  auto config = parseConfig(tinyConfig());
  ASSERT_TRUE(config.isOk()) << config.status().toString();
  EXPECT_EQ(config->family->name, "llama");
  EXPECT_EQ(config->headDim, 32);
  EXPECT_EQ(config->ropeDim, 32);
  EXPECT_EQ(config->eosIds, std::vector<int64_t>{7});
  EXPECT_EQ(config->bosId, -1);
  EXPECT_TRUE(config->tieEmbeddings);
  EXPECT_FALSE(config->attentionBias);
}

TEST(HfConfig, TheNameIsWhatTheConfigSays) {
  EXPECT_EQ(parseConfig(tinyConfig())->name, "");
  EXPECT_EQ(parseConfig(configWith("_name_or_path", R"("maker/tiny-1")"))->name, "tiny-1");
  EXPECT_EQ(parseConfig(configWith("_name_or_path", "5"))->name, "");
}

TEST(HfConfig, ErrorsPointAtTheValueThatIsWrong) {
  struct Case {
    std::string text, wrong;  // the place is the first occurrence of `wrong`
    const char* code;
  };
  for (const Case& c :
       {Case{configWith("hidden_size", "-78"), "-78", "CF_RANGE"},
        {configWith("hidden_size", "\"77\""), "\"77\"", "CF_TYPE"},
        {configWith("rms_norm_eps", "55.5"), "55.5", "CF_RANGE"},
        {configWith("eos_token_id", "[3, 4711]"), "[3, 4711]", "CF_INCONSISTENT"},
        {configWith("bos_token_id", "-1"), "-1", "CF_INCONSISTENT"},
        {configWith("model_type", "\"qwen3\""), "\"qwen3\"", "CF_INCONSISTENT"},
        {configWith("rope_scaling", R"({"type":"linear", "factor": 1e55})"), "1e55", "CF_RANGE"},
        {configWith("rope_scaling", R"({"rope_type":"yarn"})"), R"({"rope_type":"yarn"})", "CF_RANGE"},
        {configWith("rope_scaling", R"({"rope_type":"linear"})"), R"({"rope_type":"linear"})", "CF_MISSING"},
        {configWith("architectures", R"(["Mamba"])"), R"(["Mamba"])", "CF_ARCH"},
        {configWith("hidden_size", "1,\"x\":1,\"hidden_size\":2"), "\"hidden_size\":2", "CF_DUP"},
        {configWith("x", "1e999"), "1e999", "CF_TYPE"},
        {configWith("x", "1,}"), "}}", "CF_JSON"},
        {configWith("x", std::string(70, '[')), std::string(7, '['), "CF_DEPTH"}}) {
    auto config = parseConfig(c.text);
    ASSERT_FALSE(config) << c.text;
    EXPECT_EQ(config.status().code(), c.code) << config.status().toString();
    size_t at = c.text.find(c.wrong);
    if (std::string(c.code) == "CF_DEPTH") at += 63;  // the object around it is one
    EXPECT_EQ(config.status().message().find("config.json: byte " + std::to_string(at) + ": "), 0u)
        << "expected " << at << ": " << config.status().message();
  }
}

TEST(HfConfig, Families) {
  auto qwen2 = parseConfig(configWith("architectures", R"(["Qwen2ForCausalLM"])"));
  ASSERT_TRUE(qwen2.isOk());
  EXPECT_TRUE(qwen2->attentionBias);
  EXPECT_FALSE(qwen2->attentionOutBias);
  auto qwen3 = parseConfig(configWith("architectures", R"(["Qwen3ForCausalLM"])"));
  ASSERT_TRUE(qwen3.isOk());
  EXPECT_TRUE(qwen3->qkNorm);
  EXPECT_EQ(qwen3->headDim, 128);
}

TEST(HfConfig, ModelTypeAgreesWithArchitectures) {
  EXPECT_EQ(configCode("model_type", R"("llama")"), "ok");
  EXPECT_EQ(configCode("model_type", "null"), "ok");
  EXPECT_EQ(configCode("model_type", "7"), "CF_TYPE");
  auto config = parseConfig(configWith("model_type", R"("qwen2")"));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.status().code(), "CF_INCONSISTENT");
  for (const char* named : {"model_type", "'qwen2'", "'LlamaForCausalLM'"})
    EXPECT_NE(config.status().message().find(named), std::string::npos) << config.status().message();
}

TEST(HfConfig, RopeScaling) {
  auto llama3 = parseConfig(configWith(
      "rope_scaling",
      R"({"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192})"));
  ASSERT_TRUE(llama3.isOk()) << llama3.status().toString();
  EXPECT_EQ(llama3->ropeScaling.kind, RopeScaling::Kind::Llama3);
  EXPECT_EQ(llama3->ropeScaling.originalPositions, 8192);
  EXPECT_EQ(parseConfig(configWith("rope_scaling", R"({"type":"linear","factor":2})"))->ropeScaling.factor, 2.0);
  EXPECT_EQ(parseConfig(configWith("rope_parameters", R"({"rope_type":"default","rope_theta":5e5})"))->ropeTheta, 5e5);
}

TEST(HfConfig, CF1_NotAnObjectTooDeepTwice) {
  for (const std::string& text :
       {std::string("[]"), std::string("1"), std::string(""), std::string("\xff\xfe{\0}\0", 6),
        "\xef\xbb\xbf" + tinyConfig(), tinyConfig() + '\0', tinyConfig() + std::string("\0{}", 3)})
    EXPECT_EQ(configTextCode(text), "CF_JSON") << text;
  EXPECT_EQ(configCode("x", std::string(1000, '[')), "CF_DEPTH");
  EXPECT_EQ(configTextCode(R"({"hidden_size":1,"hidden_size":2})"), "CF_DUP");
}

TEST(HfConfig, CF2_WrongTypes) {
  for (const char* value : {"1e400", "4096.5", "\"4096\"", "true", "9223372036854775808", "1e3", "[]", "{}"})
    EXPECT_EQ(configCode("hidden_size", value), "CF_TYPE") << value;
  EXPECT_EQ(configCode("rms_norm_eps", "\"1e-5\""), "CF_TYPE");
  EXPECT_EQ(configCode("tie_word_embeddings", "1"), "CF_TYPE");
  EXPECT_EQ(configCode("eos_token_id", "[1,\"2\"]"), "CF_TYPE");
  EXPECT_EQ(configCode("hidden_size", "null"), "CF_MISSING");
}

TEST(HfConfig, CF5_TokensOutsideTheVocabulary) {
  EXPECT_EQ(configCode("eos_token_id", "8"), "CF_INCONSISTENT");
  EXPECT_EQ(configCode("eos_token_id", "[7,9]"), "CF_INCONSISTENT");
  EXPECT_EQ(configCode("bos_token_id", "-7"), "CF_INCONSISTENT");
  // Published configs say "none" with null or by leaving it out; -1 occurs for pad_token_id, which nothing here uses.
  for (const char* key : {"bos_token_id", "eos_token_id"}) {
    EXPECT_EQ(configCode(key, "-1"), "CF_INCONSISTENT");
    EXPECT_EQ(configCode(key, "null"), "ok");
    EXPECT_NE(parseConfig(configWith(key, "-1")).status().message().find("-1 is not in the vocabulary of 8"),
              std::string::npos);
  }
  EXPECT_EQ(configCode("eos_token_id", "[7,-1]"), "CF_INCONSISTENT");
  EXPECT_EQ(configCode("pad_token_id", "-1"), "ok");
}

TEST(HfConfig, CF8_OwnCodeIsIgnoredWithAWarning) {
  configWarnings.clear();
  EXPECT_EQ(configCode("auto_map", R"({"AutoModel":"evil.py"})"), "ok");
  ASSERT_EQ(configWarnings.size(), 1u);
  EXPECT_NE(configWarnings[0].find("auto_map"), std::string::npos);
}

TEST(HfConfig, CF9_Architectures) {
  for (const char* value :
       {"null", "[]", R"(["LlamaForCausalLM","Qwen2ForCausalLM"])", R"(["GPT5"])", "\"LlamaForCausalLM\"", "[1]"}) {
    auto result = parseConfig(configWith("architectures", value));
    EXPECT_EQ(codeOf(result), "CF_ARCH") << value;
    EXPECT_NE(result.status().hint().find("LlamaForCausalLM"), std::string::npos);
  }
}

TEST(HfConfig, CF10_Quantized) {
  EXPECT_EQ(configCode("quantization_config", R"({"quant_method":"gptq","bits":4})"), "CF_QUANT");
}

TEST(HfConfig, WindowOfOnlySomeLayersIsRefused) {
  EXPECT_EQ(parseConfig(configWith("architectures", R"(["MistralForCausalLM"])"))->slidingWindow, 0);
  auto two = nlohmann::json::parse(configWith("architectures", R"(["Qwen2ForCausalLM"])"));
  two["num_hidden_layers"] = 2;
  two["sliding_window"] = 4;
  two["use_sliding_window"] = true;
  two["max_window_layers"] = 1;
  EXPECT_EQ(configTextCode(two.dump()), "CF_RANGE");
  two["max_window_layers"] = 0;
  EXPECT_EQ(parseConfig(two.dump())->slidingWindow, 4);
  two["max_window_layers"] = 2;
  EXPECT_EQ(parseConfig(two.dump())->slidingWindow, 0);
}

TEST(HfConfig, LayersThatAreNotAttentionAreRefused) {
  auto config = nlohmann::json::parse(configWith("architectures", R"(["Qwen2ForCausalLM"])"));
  config["layer_types"] = {"full_attention", "full_attention"};
  EXPECT_TRUE(parseConfig(config.dump()).isOk());
  config["layer_types"] = {"full_attention", "linear_attention"};
  EXPECT_EQ(configTextCode(config.dump()), "CF_RANGE");
  config["layer_types"] = {"full_attention", 3};
  EXPECT_EQ(configTextCode(config.dump()), "CF_RANGE");
  config["layer_types"] = "full_attention";
  EXPECT_EQ(configTextCode(config.dump()), "CF_TYPE");
}

}  // namespace
}  // namespace llmc
