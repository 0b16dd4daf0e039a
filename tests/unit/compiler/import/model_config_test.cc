// config.json: rows CF1 to CF10 of the catalogue.
#include "compiler/import/ModelConfig.h"

#include <nlohmann/json.hpp>

#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

std::vector<std::string> warnings;

rt::Result<ModelConfig> parse(const std::string& text) { return parseHfConfig(text, "config.json", warnings); }
/// The honest config with one field set to `value` (JSON).
std::string with(const std::string& key, const std::string& value) {
  auto json = nlohmann::json::parse(tinyConfig());
  json.erase(key);
  std::string text = json.dump();
  return text.substr(0, text.size() - 1) + ",\"" + key + "\":" + value + "}";
}
std::string codeOfText(const std::string& text) { return placedCodeOf(parse(text), "config.json", text.size()); }
std::string code(const std::string& key, const std::string& value) { return codeOfText(with(key, value)); }

TEST(ModelConfig, Honest) {
  auto config = parse(tinyConfig());
  ASSERT_TRUE(config.isOk()) << config.status().toString();
  EXPECT_EQ(config->family->name, "llama");
  EXPECT_EQ(config->headDim, 32);
  EXPECT_EQ(config->ropeDim, 32);
  EXPECT_EQ(config->eosIds, std::vector<int64_t>{7});
  EXPECT_EQ(config->bosId, -1);
  EXPECT_TRUE(config->tieEmbeddings);
  EXPECT_FALSE(config->attentionBias);
}
TEST(ModelConfig, TheNameIsWhatTheConfigSays) {
  EXPECT_EQ(parse(tinyConfig())->name, "");
  EXPECT_EQ(parse(with("_name_or_path", R"("maker/tiny-1")"))->name, "tiny-1");
  EXPECT_EQ(parse(with("_name_or_path", "5"))->name, "");
}
TEST(ModelConfig, ErrorsPointAtTheValueThatIsWrong) {
  struct Case {
    std::string text, wrong;  // the place is the first occurrence of `wrong`
    const char* code;
  };
  for (const Case& c : {Case{with("hidden_size", "-78"), "-78", "CF_RANGE"},
                        {with("hidden_size", "\"77\""), "\"77\"", "CF_TYPE"},
                        {with("rms_norm_eps", "55.5"), "55.5", "CF_RANGE"},
                        {with("eos_token_id", "[3, 4711]"), "[3, 4711]", "CF_INCONSISTENT"},
                        {with("bos_token_id", "-1"), "-1", "CF_INCONSISTENT"},
                        {with("model_type", "\"qwen3\""), "\"qwen3\"", "CF_INCONSISTENT"},
                        {with("rope_scaling", R"({"type":"linear", "factor": 1e55})"), "1e55", "CF_RANGE"},
                        {with("rope_scaling", R"({"rope_type":"yarn"})"), R"({"rope_type":"yarn"})", "CF_RANGE"},
                        {with("rope_scaling", R"({"rope_type":"linear"})"), R"({"rope_type":"linear"})", "CF_MISSING"},
                        {with("architectures", R"(["Mamba"])"), R"(["Mamba"])", "CF_ARCH"},
                        {with("hidden_size", "1,\"x\":1,\"hidden_size\":2"), "\"hidden_size\":2", "CF_DUP"},
                        {with("x", "1e999"), "1e999", "CF_TYPE"},
                        {with("x", "1,}"), "}}", "CF_JSON"},
                        {with("x", std::string(70, '[')), std::string(7, '['), "CF_DEPTH"}}) {
    auto config = parse(c.text);
    ASSERT_FALSE(config) << c.text;
    EXPECT_EQ(config.status().code(), c.code) << config.status().toString();
    size_t at = c.text.find(c.wrong);
    if (std::string(c.code) == "CF_DEPTH") at += 63;  // the object around it is one
    EXPECT_EQ(config.status().message().find("config.json: byte " + std::to_string(at) + ": "), 0u)
        << "expected " << at << ": " << config.status().message();
  }
}
TEST(ModelConfig, Families) {
  auto qwen2 = parse(with("architectures", R"(["Qwen2ForCausalLM"])"));
  ASSERT_TRUE(qwen2.isOk());
  EXPECT_TRUE(qwen2->attentionBias);
  EXPECT_FALSE(qwen2->attentionOutBias);
  auto qwen3 = parse(with("architectures", R"(["Qwen3ForCausalLM"])"));
  ASSERT_TRUE(qwen3.isOk());
  EXPECT_TRUE(qwen3->qkNorm);
  EXPECT_EQ(qwen3->headDim, 128);
}
TEST(ModelConfig, ModelTypeAgreesWithArchitectures) {
  EXPECT_EQ(code("model_type", R"("llama")"), "ok");
  EXPECT_EQ(code("model_type", "null"), "ok");
  EXPECT_EQ(code("model_type", "7"), "CF_TYPE");
  auto config = parse(with("model_type", R"("qwen2")"));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.status().code(), "CF_INCONSISTENT");
  for (const char* named : {"model_type", "'qwen2'", "'LlamaForCausalLM'"})
    EXPECT_NE(config.status().message().find(named), std::string::npos) << config.status().message();
}
TEST(ModelConfig, RopeScaling) {
  auto llama3 = parse(with(
      "rope_scaling",
      R"({"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192})"));
  ASSERT_TRUE(llama3.isOk()) << llama3.status().toString();
  EXPECT_EQ(llama3->ropeScaling.kind, RopeScaling::Kind::Llama3);
  EXPECT_EQ(llama3->ropeScaling.originalPositions, 8192);
  EXPECT_EQ(parse(with("rope_scaling", R"({"type":"linear","factor":2})"))->ropeScaling.factor, 2.0);
  EXPECT_EQ(parse(with("rope_parameters", R"({"rope_type":"default","rope_theta":5e5})"))->ropeTheta, 5e5);
}
TEST(ModelConfig, CF1_NotAnObjectTooDeepTwice) {
  for (const std::string& text : {std::string("[]"), std::string("1"), std::string(""),
                                  std::string("\xff\xfe{\0}\0", 6), "\xef\xbb\xbf" + tinyConfig()})
    EXPECT_EQ(codeOfText(text), "CF_JSON") << text;
  EXPECT_EQ(code("x", std::string(1000, '[')), "CF_DEPTH");
  EXPECT_EQ(codeOfText(R"({"hidden_size":1,"hidden_size":2})"), "CF_DUP");
}
TEST(ModelConfig, CF2_WrongTypes) {
  for (const char* value : {"1e400", "4096.5", "\"4096\"", "true", "9223372036854775808", "1e3", "[]", "{}"})
    EXPECT_EQ(code("hidden_size", value), "CF_TYPE") << value;
  EXPECT_EQ(code("rms_norm_eps", "\"1e-5\""), "CF_TYPE");
  EXPECT_EQ(code("tie_word_embeddings", "1"), "CF_TYPE");
  EXPECT_EQ(code("eos_token_id", "[1,\"2\"]"), "CF_TYPE");
  EXPECT_EQ(code("hidden_size", "null"), "CF_MISSING");
}
TEST(ModelConfig, CF3_Ranges) {
  for (const char* value : {"0", "-64", "2147483648"}) EXPECT_EQ(code("hidden_size", value), "CF_RANGE") << value;
  for (const char* value : {"0", "1000000"}) EXPECT_EQ(code("num_hidden_layers", value), "CF_RANGE") << value;
  EXPECT_EQ(code("num_attention_heads", "0"), "CF_RANGE");
  EXPECT_EQ(code("num_key_value_heads", "0"), "CF_RANGE");
  EXPECT_EQ(code("vocab_size", "99999999999"), "CF_RANGE");
}
TEST(ModelConfig, CF4_Contradictions) {
  EXPECT_EQ(code("num_attention_heads", "3"), "CF_INCONSISTENT");  // does not divide 64
  EXPECT_EQ(code("num_key_value_heads", "4"), "CF_INCONSISTENT");
  EXPECT_EQ(code("head_dim", "33"), "CF_INCONSISTENT");  // odd rotation
}
TEST(ModelConfig, CF5_TokensOutsideTheVocabulary) {
  EXPECT_EQ(code("eos_token_id", "8"), "CF_INCONSISTENT");
  EXPECT_EQ(code("eos_token_id", "[7,9]"), "CF_INCONSISTENT");
  EXPECT_EQ(code("bos_token_id", "-7"), "CF_INCONSISTENT");
  // Published configs say "none" with null or by leaving it out; -1 occurs for pad_token_id, which nothing here uses.
  for (const char* key : {"bos_token_id", "eos_token_id"}) {
    EXPECT_EQ(code(key, "-1"), "CF_INCONSISTENT");
    EXPECT_EQ(code(key, "null"), "ok");
    EXPECT_NE(parse(with(key, "-1")).status().message().find("-1 is not in the vocabulary of 8"), std::string::npos);
  }
  EXPECT_EQ(code("eos_token_id", "[7,-1]"), "CF_INCONSISTENT");
  EXPECT_EQ(code("pad_token_id", "-1"), "ok");
}
TEST(ModelConfig, CF6_Numbers) {
  for (const char* value : {"0", "-1e-5", "2.0"}) EXPECT_EQ(code("rms_norm_eps", value), "CF_RANGE") << value;
  EXPECT_NE(parse(with("rms_norm_eps", "0")).status().message().find(": 0 is not in 1e-"), std::string::npos)
      << parse(with("rms_norm_eps", "0")).status().message();
  for (const char* value : {"0", "-1", "1e300"}) EXPECT_EQ(code("rope_theta", value), "CF_RANGE") << value;
  EXPECT_EQ(code("rms_norm_eps", "NaN"), "CF_JSON");
  EXPECT_EQ(code("rope_scaling", R"({"type":"yarn","factor":2})"), "CF_RANGE");
  EXPECT_EQ(code("rope_scaling", R"({"type":"linear","factor":1e30})"), "CF_RANGE");
  EXPECT_EQ(code("hidden_act", "\"mish\""), "CF_RANGE");
}
TEST(ModelConfig, CF7_Positions) { EXPECT_EQ(code("max_position_embeddings", "2147483648"), "CF_RANGE"); }
TEST(ModelConfig, CF8_OwnCodeIsIgnoredWithAWarning) {
  warnings.clear();
  EXPECT_EQ(code("auto_map", R"({"AutoModel":"evil.py"})"), "ok");
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("auto_map"), std::string::npos);
}
TEST(ModelConfig, CF9_Architectures) {
  for (const char* value :
       {"null", "[]", R"(["LlamaForCausalLM","Qwen2ForCausalLM"])", R"(["GPT5"])", "\"LlamaForCausalLM\"", "[1]"}) {
    auto result = parse(with("architectures", value));
    EXPECT_EQ(codeOf(result), "CF_ARCH") << value;
    EXPECT_NE(result.status().hint().find("LlamaForCausalLM"), std::string::npos);
  }
}
TEST(ModelConfig, CF10_Quantized) {
  EXPECT_EQ(code("quantization_config", R"({"quant_method":"gptq","bits":4})"), "CF_QUANT");
}
TEST(ModelConfig, WindowOfOnlySomeLayersIsRefused) {
  EXPECT_EQ(parse(with("architectures", R"(["MistralForCausalLM"])"))->slidingWindow, 0);
  auto two = nlohmann::json::parse(with("architectures", R"(["Qwen2ForCausalLM"])"));
  two["num_hidden_layers"] = 2;
  two["sliding_window"] = 4;
  two["use_sliding_window"] = true;
  two["max_window_layers"] = 1;
  EXPECT_EQ(codeOfText(two.dump()), "CF_RANGE");
  two["max_window_layers"] = 0;
  EXPECT_EQ(parse(two.dump())->slidingWindow, 4);
  two["max_window_layers"] = 2;
  EXPECT_EQ(parse(two.dump())->slidingWindow, 0);
}

}  // namespace
}  // namespace llmc
