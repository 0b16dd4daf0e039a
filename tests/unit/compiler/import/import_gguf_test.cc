// A whole GGUF as an imported model.
#include <nlohmann/json.hpp>

#include "compiler/import/TokenizerCheck.h"
#include "tests/unit/compiler/import/gguf_models.h"

namespace llmc {
namespace {

TEST(ImportGguf, HonestModel) {
  auto model = importGgufOf(tinyGguf());
  ASSERT_TRUE(model.isOk()) << model.status().toString();
  EXPECT_EQ(model->config.hidden, 64);
  EXPECT_EQ(model->config.headDim, 32);
  EXPECT_TRUE(model->config.tieEmbeddings);
  EXPECT_EQ(model->config.eosIds, std::vector<int64_t>{7});
  EXPECT_EQ(model->provenanceJson, R"({"architecture":"llama","source":"gguf"})");
  EXPECT_TRUE(model->checkpoint->lookup("model.layers.0.self_attn.q_proj.weight")->ropeInterleaved);
  EXPECT_FALSE(model->checkpoint->lookup("model.layers.0.self_attn.v_proj.weight")->ropeInterleaved);
  auto facts = checkTokenizerJson(model->tokenizerJson, "t");
  ASSERT_TRUE(facts.isOk()) << facts.status().toString();
  EXPECT_EQ(facts->idEnd, 8);
  auto json = nlohmann::json::parse(model->tokenizerJson);
  EXPECT_EQ(json["pre_tokenizer"]["pretokenizers"][0]["individual_digits"], true);
  EXPECT_EQ(json["model"]["merges"][2], (nlohmann::json{"ab", "cd"}));
  EXPECT_EQ(json["added_tokens"][0]["content"], "<|end|>");
}

TEST(ImportGguf, CF5_VocabularyAndTokenIds) {
  EXPECT_EQ(ggufModelCodeWithNumber("llama.vocab_size", 9), "CF_INCONSISTENT");
  EXPECT_EQ(ggufModelCodeWithNumber("tokenizer.ggml.eos_token_id", 8), "CF_INCONSISTENT");
}

}  // namespace
}  // namespace llmc
