// GGUF metadata as a tokenizer: rows GG7, GG17 and GG19 of the catalogue, and the tokenizer.json that comes out.
#include <nlohmann/json.hpp>

#include "compiler/import/GgufModel.h"
#include "compiler/import/TokenizerCheck.h"
#include "tests/unit/compiler/import/gguf_models.h"

namespace llmc {
namespace {

TEST(GgufTokenizer, GG7_ArrayTypes) {
  EXPECT_EQ(ggufModelCode("tokenizer.ggml.token_type",
                          [](auto& w) {
                            w.raw("tokenizer.ggml.token_type", 9,
                                  bytesOf<uint32_t>(0) + bytesOf<uint64_t>(8) + std::string(8, '\1'));
                          }),
            "GG_ARRAY_TYPE");
  EXPECT_EQ(ggufModelCode("tokenizer.ggml.tokens", [](auto& w) { w.i32s("tokenizer.ggml.tokens", {1, 2}); }),
            "GG_ARRAY_TYPE");
  EXPECT_EQ(
      ggufModelCode("tokenizer.ggml.pre", [](auto& w) { w.i32s("tokenizer.ggml.scores", {1, 2, 3, 4, 5, 6, 7, 8}); }),
      "GG_ARRAY_TYPE");
  EXPECT_EQ(ggufModelCode("tokenizer.ggml.token_type", [](auto& w) { w.i32s("tokenizer.ggml.token_type", {1, 2}); }),
            "GG_ARRAY");
}

TEST(GgufTokenizer, GG17_ByteTokens) {
  for (const char* token : {"<0x-1>", "<0xZZ>", "<0x1FF>", "<0xa>", "x", "<0x0A>"}) {
    auto model = importGgufOf(tinyGguf([&](GgufWriter& w, const std::string& key) {
      if (key == "tokenizer.ggml.eos_token_id") return true;
      if (key == "tokenizer.ggml.tokens") w.strings(key, {"a", "b", "c", "d", "ab", "cd", "abcd", token});
      if (key == "tokenizer.ggml.token_type") w.i32s(key, {1, 1, 1, 1, 1, 1, 1, 6});
      return key == "tokenizer.ggml.tokens" || key == "tokenizer.ggml.token_type";
    }));
    EXPECT_EQ(codeOf(model), std::string(token) == "<0x0A>" ? "ok" : "TK_BYTE") << token;
  }
}

TEST(GgufTokenizer, TokensAndMerges) {
  auto tokens = [](std::vector<std::string> list) {
    return ggufModelCode("tokenizer.ggml.tokens", [&](auto& w) { w.strings("tokenizer.ggml.tokens", list); });
  };
  EXPECT_EQ(tokens({"a", "a", "c", "d", "ab", "cd", "abcd", "e"}), "TK_ID");
  EXPECT_EQ(tokens({"a", "\xff", "c", "d", "ab", "cd", "abcd", "e"}), "TK_UTF8");
  EXPECT_EQ(tokens({"a", "b", "c", "d", "ab", "cd", "abcd", ""}), "TK_ADDED");
  EXPECT_EQ(tokens({}), "TK_ID");
  for (const char* merge : {"a", "a x", "a c", "", " ", "a "})
    EXPECT_EQ(ggufModelCode("tokenizer.ggml.merges", [&](auto& w) { w.strings("tokenizer.ggml.merges", {merge}); }),
              "TK_MERGE")
        << merge;
  EXPECT_EQ(ggufModelCode("tokenizer.ggml.pre", [](auto& w) { w.string("tokenizer.ggml.pre", "martian"); }),
            "TK_UNSUPPORTED");
  EXPECT_EQ(ggufModelCode("tokenizer.ggml.model", [](auto& w) { w.string("tokenizer.ggml.model", "t5"); }),
            "TK_UNSUPPORTED");
}

TEST(GgufTokenizer, SpecialIdsThatAreNoTokens) {
  const auto with = [](const std::string& key, const auto& write) {
    return importGgufOf(tinyGguf([&](GgufWriter& w, const std::string& now) {
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

TEST(GgufTokenizer, Templates) {
  const auto code = [](const auto& write) {
    return ggufModelCode("tokenizer.ggml.pre", [&](auto& w) {
      w.string("tokenizer.ggml.pre", "smollm");
      write(w, "tokenizer.chat_template");
    });
  };
  EXPECT_EQ(code([](auto& w, const char* key) { w.string(key, std::string(1 << 20, 'x')); }), "ok");
  EXPECT_EQ(code([](auto& w, const char* key) { w.string(key, std::string(10 << 20, 'x')); }), "TM_TOO_LARGE");
  EXPECT_EQ(code([](auto& w, const char* key) { w.string(key, "\xff"); }), "TM_UTF8");
  EXPECT_EQ(code([](auto& w, const char* key) { w.u32(key, 1); }), "CF_TYPE");
}

TEST(GgufTokenizer, BosIsPutFirstOnlyWhenAsked) {
  for (bool add : {false, true}) {
    auto model = importGgufOf(tinyGguf([&](GgufWriter& w, const std::string& key) {
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

TEST(GgufTokenizer, SentencePieceBecomesByteFallbackBpe) {
  auto model = importGgufOf(tinyGguf([](GgufWriter& w, const std::string& key) {
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

TEST(GgufTokenizer, HonestQuarterMillionTokensAreQuick) {  // A6
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
