// GGUF metadata as config and tokenizer: rows GG7, GG15 to GG19 of the catalogue, and the tokenizer.json that comes
// out.
#include "compiler/import/GgufModel.h"

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "compiler/import/ImportedModel.h"
#include "compiler/import/RopeFactors.h"
#include "compiler/import/SpmMerges.h"
#include "compiler/import/TokenizerCheck.h"
#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

rt::Result<ImportedModel> import(const GgufWriter& writer) {
  TempFolder folder;
  return importModel(folder.write("tiny.gguf", writer.build()));
}
/// The tiny model with `key` written by `write`.
std::string codeWith(const std::string& key, const std::function<void(GgufWriter&)>& write) {
  const GgufWriter changed = tinyGguf([&](GgufWriter& w, const std::string& name) {
    if (name != key) return false;
    write(w);
    return true;
  });
  return placedCodeOf(import(changed), "tiny.gguf", changed.build().size());
}
std::string codeWithNumber(const std::string& key, uint32_t value) {
  return codeWith(key, [&](GgufWriter& w) { w.u32(key, value); });
}

TEST(GgufModel, HonestModel) {
  auto model = import(tinyGguf());
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
TEST(GgufModel, TheNameIsTheMetadatas) {
  GgufWriter named = tinyGguf(), wrong = tinyGguf();
  named.string("general.name", "Tiny Llama");
  wrong.u32("general.name", 7);
  EXPECT_EQ(import(named)->config.name, "Tiny-Llama");
  EXPECT_EQ(import(wrong)->config.name, "");
  EXPECT_EQ(import(tinyGguf())->config.name, "");
}
TEST(GgufModel, LlamaWithAWindowIsMistral) {
  auto model = import(tinyGguf([](GgufWriter& w, const std::string& name) {
    if (name == "llama.context_length") w.u32("llama.attention.sliding_window", 16);
    return false;
  }));
  ASSERT_TRUE(model.isOk()) << model.status().toString();
  EXPECT_EQ(model->config.family->name, "mistral");
  EXPECT_EQ(model->config.slidingWindow, 16);
  EXPECT_TRUE(model->checkpoint->lookup("model.layers.0.self_attn.q_proj.weight")->ropeInterleaved);
}

TEST(GgufModel, GG7_ArrayTypes) {
  EXPECT_EQ(codeWith("tokenizer.ggml.token_type",
                     [](auto& w) {
                       w.raw("tokenizer.ggml.token_type", 9,
                             bytesOf<uint32_t>(0) + bytesOf<uint64_t>(8) + std::string(8, '\1'));
                     }),
            "GG_ARRAY_TYPE");
  EXPECT_EQ(codeWith("tokenizer.ggml.tokens", [](auto& w) { w.i32s("tokenizer.ggml.tokens", {1, 2}); }),
            "GG_ARRAY_TYPE");
  EXPECT_EQ(codeWith("tokenizer.ggml.pre", [](auto& w) { w.i32s("tokenizer.ggml.scores", {1, 2, 3, 4, 5, 6, 7, 8}); }),
            "GG_ARRAY_TYPE");
  EXPECT_EQ(codeWith("tokenizer.ggml.token_type", [](auto& w) { w.i32s("tokenizer.ggml.token_type", {1, 2}); }),
            "GG_ARRAY");
}
TEST(GgufModel, AMissingTensorHasTheFilesNameForIt) {
  const auto model = import(tinyGguf([](GgufWriter& w, const std::string& name) {
    if (name != "llama.block_count") return false;
    w.u32(name, 2);  // the file has the tensors of one layer
    return true;
  }));
  ASSERT_EQ(codeOf(model), "MODEL_TENSOR");
  const std::string said = model.status().toString();
  EXPECT_NE(said.find("'blk.1.attn_norm.weight': tensor is missing"), std::string::npos) << said;
  EXPECT_EQ(said.find("shards"), std::string::npos) << said;
  const auto honest = import(tinyGguf());
  ASSERT_TRUE(honest.isOk());
  for (const TensorInfo& tensor : honest->checkpoint->tensors())
    EXPECT_EQ(ggufTensorName(tensor.name, honest->config), tensor.sourceName);
}
TEST(GgufModel, GG15_LayerNumbers) {
  for (const char* name :
       {"blk.536870912.attn_q.weight", "blk.1073741824.attn_q.weight", "blk.1.attn_q.weight", "blk.-1.attn_q.weight",
        "blk.00.attn_q.weight", "blk.99999999999999999999.x.weight", "blk.0"}) {
    GgufWriter w = tinyGguf();
    w.tensor(name, {8}, 0, std::string(32, '\0'));
    std::string code = codeOf(import(w));
    EXPECT_TRUE(code == "GG_NAME" || code == "MODEL_TENSOR") << name << code;
  }
}
TEST(GgufModel, GG16_SizesOutOfRange) {
  for (const char* key : {"llama.block_count", "llama.context_length", "llama.embedding_length",
                          "llama.feed_forward_length", "llama.attention.head_count", "llama.attention.head_count_kv"})
    for (uint32_t value : {0u, UINT32_MAX}) EXPECT_EQ(codeWithNumber(key, value), "CF_RANGE") << key << value;
  EXPECT_EQ(codeWith("llama.block_count", [](auto& w) { w.string("llama.block_count", "1"); }), "CF_TYPE");
  EXPECT_EQ(codeWith("llama.block_count", [](auto&) {}), "CF_MISSING");
  EXPECT_EQ(codeWith("general.architecture", [](auto& w) { w.string("general.architecture", "mamba"); }), "CF_ARCH");
}
TEST(GgufModel, CF5_VocabularyAndTokenIds) {
  EXPECT_EQ(codeWithNumber("llama.vocab_size", 9), "CF_INCONSISTENT");
  EXPECT_EQ(codeWithNumber("tokenizer.ggml.eos_token_id", 8), "CF_INCONSISTENT");
}
TEST(GgufModel, GG17_ByteTokens) {
  for (const char* token : {"<0x-1>", "<0xZZ>", "<0x1FF>", "<0xa>", "x", "<0x0A>"}) {
    auto model = import(tinyGguf([&](GgufWriter& w, const std::string& key) {
      if (key == "tokenizer.ggml.eos_token_id") return true;
      if (key == "tokenizer.ggml.tokens") w.strings(key, {"a", "b", "c", "d", "ab", "cd", "abcd", token});
      if (key == "tokenizer.ggml.token_type") w.i32s(key, {1, 1, 1, 1, 1, 1, 1, 6});
      return key == "tokenizer.ggml.tokens" || key == "tokenizer.ggml.token_type";
    }));
    EXPECT_EQ(codeOf(model), std::string(token) == "<0x0A>" ? "ok" : "TK_BYTE") << token;
  }
}
TEST(GgufModel, TokensAndMerges) {
  auto tokens = [](std::vector<std::string> list) {
    return codeWith("tokenizer.ggml.tokens", [&](auto& w) { w.strings("tokenizer.ggml.tokens", list); });
  };
  EXPECT_EQ(tokens({"a", "a", "c", "d", "ab", "cd", "abcd", "e"}), "TK_ID");
  EXPECT_EQ(tokens({"a", "\xff", "c", "d", "ab", "cd", "abcd", "e"}), "TK_UTF8");
  EXPECT_EQ(tokens({"a", "b", "c", "d", "ab", "cd", "abcd", ""}), "TK_ADDED");
  EXPECT_EQ(tokens({}), "TK_ID");
  for (const char* merge : {"a", "a x", "a c", "", " ", "a "})
    EXPECT_EQ(codeWith("tokenizer.ggml.merges", [&](auto& w) { w.strings("tokenizer.ggml.merges", {merge}); }),
              "TK_MERGE")
        << merge;
  EXPECT_EQ(codeWith("tokenizer.ggml.pre", [](auto& w) { w.string("tokenizer.ggml.pre", "martian"); }),
            "TK_UNSUPPORTED");
  EXPECT_EQ(codeWith("tokenizer.ggml.model", [](auto& w) { w.string("tokenizer.ggml.model", "t5"); }),
            "TK_UNSUPPORTED");
}
TEST(GgufModel, SpecialIdsThatAreNoTokens) {
  const auto with = [](const std::string& key, const auto& write) {
    return import(tinyGguf([&](GgufWriter& w, const std::string& now) {
      if (now == "tokenizer.ggml.pre") write(w, "tokenizer.ggml." + key);
      return now == "tokenizer.ggml.eos_token_id" && key == "eos_token_id";
    }));
  };
  for (const char* key : {"bos_token_id", "eos_token_id", "eot_token_id"}) {
    for (uint32_t outside : {8u, 4711u, 0xfffffffeu})
      EXPECT_EQ(codeOf(with(key, [&](auto& w, const auto& name) { w.u32(name, outside); })), "CF_INCONSISTENT") << key;
    // Converters write "none" as -1 in 32 bits.
    auto none = with(key, [&](auto& w, const auto& name) { w.u32(name, 0xffffffff); });
    ASSERT_EQ(codeOf(none), "ok") << key;
    EXPECT_EQ(none->config.bosId, -1);
    EXPECT_EQ(none->config.eosIds, (std::vector<int64_t>{7}));  // <|end|> is a text that ends turns
  }
}
TEST(GgufModel, Templates) {
  const auto code = [](const auto& write) {
    return codeWith("tokenizer.ggml.pre", [&](auto& w) {
      w.string("tokenizer.ggml.pre", "smollm");
      write(w, "tokenizer.chat_template");
    });
  };
  EXPECT_EQ(code([](auto& w, const char* key) { w.string(key, std::string(1 << 20, 'x')); }), "ok");
  EXPECT_EQ(code([](auto& w, const char* key) { w.string(key, std::string(10 << 20, 'x')); }), "TM_TOO_LARGE");
  EXPECT_EQ(code([](auto& w, const char* key) { w.string(key, "\xff"); }), "TM_UTF8");
  EXPECT_EQ(code([](auto& w, const char* key) { w.u32(key, 1); }), "CF_TYPE");
}
TEST(GgufModel, BosIsPutFirstOnlyWhenAsked) {
  for (bool add : {false, true}) {
    auto model = import(tinyGguf([&](GgufWriter& w, const std::string& key) {
      if (key == "tokenizer.ggml.pre") {
        w.boolean("tokenizer.ggml.add_bos_token", add);
        w.u32("tokenizer.ggml.bos_token_id", 7);
      }
      return false;
    }));
    ASSERT_TRUE(model.isOk()) << model.status().toString();
    EXPECT_EQ(model->config.addBos, add);
    EXPECT_EQ(checkTokenizerJson(model->tokenizerJson, "t")->firstId, add ? 7 : -1);
  }
}
TEST(GgufModel, SentencePieceBecomesByteFallbackBpe) {
  auto model = import(tinyGguf([](GgufWriter& w, const std::string& key) {
    if (key == "tokenizer.ggml.model") w.string(key, "llama");
    if (key == "tokenizer.ggml.tokens") {
      w.strings(key, {"<unk>", "<s>", "</s>", "<0x0A>", "a", "b", "ab", "▁ab"});
      w.f32s("tokenizer.ggml.scores", {0, 0, 0, 0, -3, -4, -1, -2});
    }
    if (key == "tokenizer.ggml.token_type") w.i32s(key, {2, 3, 3, 6, 1, 1, 1, 1});
    return key == "tokenizer.ggml.model" || key == "tokenizer.ggml.tokens" || key == "tokenizer.ggml.token_type" ||
           key == "tokenizer.ggml.merges";
  }));
  ASSERT_TRUE(model.isOk()) << model.status().toString();
  auto json = nlohmann::json::parse(model->tokenizerJson);
  EXPECT_EQ(json["model"]["byte_fallback"], true);
  EXPECT_EQ(json["model"]["unk_token"], "<unk>");
  EXPECT_EQ(json["model"]["merges"], nlohmann::json::parse(R"([["a","b"]])"));
  EXPECT_EQ(json["normalizer"]["normalizers"][0]["prepend"], "▁");
  EXPECT_TRUE(model->config.addBos);
}
TEST(GgufModel, SpmMergesAreOrderedByScoreThenLengths) {
  auto merges = spmMerges(
      {{"a", -9, true}, {"b", -9, true}, {"ab", -2, true}, {"ba", -2, true}, {"aba", -1, true}, {"<s>", 0, false}});
  std::vector<std::pair<std::string, std::string>> expected = {{"ab", "a"}, {"a", "ba"}, {"a", "b"}, {"b", "a"}};
  EXPECT_EQ(merges, expected);
}
TEST(GgufModel, RopeFactorsGiveTheirScalingBack) {
  for (auto [original, high] : {std::pair{8192, 4.0}, {128, 4.0}, {4096, 8.0}}) {
    RopeScaling scaling{RopeScaling::Kind::Llama3, 32, 1, high, original};
    auto factors = llama3Factors(scaling, 500000, 128);
    auto found = llama3ScalingOf(factors, 500000, 128);
    ASSERT_TRUE(found.has_value()) << original;
    EXPECT_EQ(found->factor, 32);
    EXPECT_NEAR(static_cast<double>(found->originalPositions), original, original * 1e-3);
    factors[60] = 2;
    EXPECT_FALSE(llama3ScalingOf(factors, 500000, 128).has_value());
  }
}
TEST(GgufModel, HonestQuarterMillionTokensAreQuick) {  // A6
  std::vector<std::string> tokens;
  std::vector<int32_t> types(256'000, 1);
  for (int i = 0; i < 256'000; ++i) tokens.push_back("token" + std::to_string(i));
  GgufWriter w;
  w.string("tokenizer.ggml.model", "gpt2");
  w.strings("tokenizer.ggml.tokens", tokens);
  w.i32s("tokenizer.ggml.token_type", types);
  w.strings("tokenizer.ggml.merges", {});
  TempFolder folder;
  auto start = std::chrono::steady_clock::now();
  auto gguf = readGguf(*SourceFile::open(folder.write("m.gguf", w.build())));
  ASSERT_TRUE(gguf.isOk()) << gguf.status().toString();
  ModelConfig config;
  EXPECT_EQ(codeOf(readGgufTokenizer(*gguf, config)), "ok");
  EXPECT_LT(std::chrono::steady_clock::now() - start, kHonestFileTime);
}

}  // namespace
}  // namespace llmc
