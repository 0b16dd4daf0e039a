// tokenizer.json as it is written from a vocabulary, and the kinds of pre-tokenizers.
#include "compiler/import/TokenizerJson.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "compiler/import/TokenizerCheck.h"

namespace llmc {
namespace {

TEST(TokenizerJson, WhatIsWrittenPassesTheCheckAndHasItsParts) {
  TokenizerParts parts;
  parts.vocab = {{"a", 0}, {"b", 1}, {"ab", 2}};
  parts.merges = {{"a", "b"}};
  parts.added = {{3, "<|end|>", true}};
  parts.first = parts.added[0];
  parts.preTokenizer = preTokenizerKind("qwen2")->preTokenizer;
  const std::string text = writeTokenizerJson(parts);
  auto facts = checkTokenizerJson(text, "t");
  ASSERT_TRUE(facts) << facts.status().toString();
  EXPECT_EQ(facts->idEnd, 4);
  EXPECT_EQ(facts->firstId, 3);
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["model"]["vocab"]["ab"], 2);
  EXPECT_EQ(json["model"]["merges"], nlohmann::json::parse(R"([["a","b"]])"));
  EXPECT_EQ(json["normalizer"], nullptr);
}

TEST(TokenizerJson, EveryKindThatIsListedExists) {
  const std::string names = preTokenizerNames();
  size_t kinds = 0;
  for (size_t at = 0; at < names.size(); ++kinds) {
    const size_t end = std::min(names.find(", ", at), names.size());
    EXPECT_TRUE(preTokenizerKind(names.substr(at, end - at)).has_value()) << names.substr(at, end - at);
    at = end + 2;
  }
  EXPECT_GT(kinds, 4u) << names;
  EXPECT_FALSE(preTokenizerKind("martian").has_value());
}

}  // namespace
}  // namespace llmc
