// Tokenizers cut in a table and the rest: the ids of the tokenizers crate, the same bytes each time, and no harm from
// tables that somebody made up.
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <random>

#include "runtime/text/tokenizer.h"
#include "small_tokenizer.h"

namespace llmc::rt {
namespace {

CompactTokenizer compactOf(const std::string& json) {
  auto made = Tokenizer::compact(json);
  EXPECT_TRUE(made) << made.status().toString();
  return made ? made.take() : CompactTokenizer{};
}

/// A table with the memory it lies in.
Result<Tokenizer> open(const std::string& json, std::string_view table) {
  auto owner = std::make_shared<const std::string>(table);
  return Tokenizer::create(json, *owner, owner);
}

/// A model over the letters a to d without splitter: a text is one word. Settings and merges by chance; `extra` is put
/// among the settings.
std::string randomTokenizer(std::mt19937& random, const std::string& extra) {
  const auto chance = [&](unsigned of) { return random() % of == 0; };
  const std::string prefix = chance(4) ? "#" : "", suffix = chance(4) ? "$" : "";
  std::vector<std::string> tokens;
  const auto add = [&](const std::string& token) {
    if (!token.empty() && std::find(tokens.begin(), tokens.end(), token) == tokens.end()) tokens.push_back(token);
  };
  for (const char* letter : {"a", "b", "c"})
    for (const std::string& before : {std::string(), prefix})
      for (const std::string& after : {std::string(), suffix}) add(before + letter + after);
  const bool unknown = chance(2), bytes = chance(3);
  if (unknown) add("<unk>");
  for (int byte = 0; bytes && byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", static_cast<unsigned>(byte));
    if (byte != 'd' || chance(2)) add(text);
  }
  std::string merges;
  for (int i = 0, count = static_cast<int>(random() % 40); i < count; ++i) {
    const std::string left = tokens[random() % tokens.size()], right = tokens[random() % tokens.size()];
    if (!prefix.empty() && right.rfind(prefix, 0) != 0) continue;
    add(left + right.substr(prefix.size()));
    merges += (merges.empty() ? "[" : ",[") + test::quoted(left) + "," + test::quoted(right) + "]";
  }
  std::string vocab;
  for (size_t id = 0; id < tokens.size(); ++id)
    vocab += (id ? "," : "") + test::quoted(tokens[id]) + ":" + std::to_string(2 * id);
  const auto text = [](const std::string& value) { return value.empty() ? "null" : test::quoted(value); };
  const auto yes = [&](unsigned of) { return chance(of) ? "true" : "false"; };
  return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":null,)"
         R"("post_processor":null,"decoder":null,"model":{"type":"BPE",)" +
         extra + "\"unk_token\":" + (unknown ? "\"<unk>\"" : "null") +
         ",\"continuing_subword_prefix\":" + text(prefix) + ",\"end_of_word_suffix\":" + text(suffix) +
         ",\"fuse_unk\":" + yes(2) + ",\"byte_fallback\":" + (bytes ? "true" : "false") +
         ",\"ignore_merges\":" + yes(3) + ",\"vocab\":{" + vocab + "},\"merges\":[" + merges + "]}}";
}

TEST(TokenTable, GivesTheIdsOfTheLibrary) {
  constexpr std::string_view kLetters[] = {"a", "b", "c", "a", "b", "d", "é", " "};
  int merged = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::mt19937 same(seed), random(seed);
    // A dropout of 0 is what a table cannot hold and the library does not act on.
    const std::string json = randomTokenizer(random, ""), whole = randomTokenizer(same, "\"dropout\":0.0,");
    const CompactTokenizer compact = compactOf(json);
    ASSERT_FALSE(compact.table.empty()) << json;
    ASSERT_TRUE(compactOf(whole).table.empty());
    auto ours = open(compact.json, compact.table), library = Tokenizer::create(whole);
    ASSERT_TRUE(ours && library) << ours.status().toString() << library.status().toString() << json;
    EXPECT_EQ(ours->vocabSize(), library->vocabSize());
    for (int32_t id = -1; id <= library->vocabSize(); ++id) {
      ASSERT_EQ(ours->idToToken(id), library->idToToken(id)) << json;
      ASSERT_EQ(ours->tokenBytes(id), library->tokenBytes(id)) << json;
      if (auto token = library->idToToken(id)) ASSERT_EQ(ours->tokenToId(*token), id);
    }
    for (int round = 0; round < 60; ++round) {
      std::string text;
      for (size_t i = random() % 24; i > 0; --i) text += kLetters[random() % std::size(kLetters)];
      auto a = ours->encode(text), b = library->encode(text);
      ASSERT_EQ(a.isOk(), b.isOk()) << text << json;
      if (!a) continue;
      ASSERT_EQ(*a, *b) << text << json;
      ASSERT_EQ(*ours->decode(*a), *library->decode(*b));
      merged += a->size() < text.size() ? 1 : 0;
    }
    EXPECT_EQ(ours->leastTokens("abcabcabc"), library->leastTokens("abcabcabc")) << json;
  }
  EXPECT_GT(merged, 8000) << "texts whose merges count";
}

TEST(TokenTable, ManyTokensAreAllFound) {
  std::string vocab, merges;
  int32_t id = 0;
  const auto add = [&](const std::string& token) {
    vocab += (id ? "," : "") + test::quoted(token) + ":" + std::to_string(id);
    ++id;
  };
  std::vector<std::string> letters, pairs;
  for (char c = 'a'; c <= 'z'; ++c) letters.emplace_back(1, c);
  for (const auto& one : letters) add(one);
  for (const auto& one : letters)
    for (const auto& two : letters) {
      add(pairs.emplace_back(one + two));
      merges += (merges.empty() ? "[" : ",[") + test::quoted(one) + "," + test::quoted(two) + "]";
    }
  for (const auto& one : pairs)
    for (const auto& two : letters) {
      add(one + two);
      merges += ",[" + test::quoted(one) + "," + test::quoted(two) + "]";
    }
  const CompactTokenizer compact = compactOf(R"({"version":"1.0","added_tokens":[],"model":{"type":"BPE","vocab":{)" +
                                             vocab + "},\"merges\":[" + merges + "]}}");
  ASSERT_FALSE(compact.table.empty());
  auto t = open(compact.json, compact.table);
  ASSERT_TRUE(t) << t.status().toString();
  ASSERT_EQ(t->vocabSize(), id);
  for (int32_t i = 0; i < id; ++i) {
    const auto token = t->idToToken(i);
    ASSERT_TRUE(token) << i;
    ASSERT_EQ(t->tokenToId(*token), i);
    // Three letters may begin with another merge: "baa" is "b", "aa".
    if (token->size() < 3) ASSERT_EQ(*t->encode(*token), std::vector<int32_t>{i}) << *token;
  }
  EXPECT_EQ(*t->encode("abc"), std::vector<int32_t>{*t->tokenToId("abc")});
  EXPECT_EQ(t->tokenToId("abcd"), std::nullopt);
}

TEST(TokenTable, SameInputSameBytes) {
  const CompactTokenizer one = compactOf(test::smallTokenizerJson()), two = compactOf(test::smallTokenizerJson());
  EXPECT_EQ(one.json, two.json);
  EXPECT_EQ(one.table, two.table);
  EXPECT_EQ(one.json.find("vocab"), std::string::npos);
}

TEST(TokenTable, LivesAsLongAsTheTokenizer) {
  const CompactTokenizer compact = compactOf(test::smallTokenizerJson());
  auto owner = std::make_shared<const std::string>(compact.table);
  std::weak_ptr<const std::string> watch = owner;
  auto made = Tokenizer::create(compact.json, *owner, owner);
  owner.reset();
  ASSERT_TRUE(made) << made.status().toString();
  {
    const Tokenizer copy = made.take();
    EXPECT_FALSE(watch.expired());
    EXPECT_EQ(*copy.encode("hello hello"), (std::vector<int32_t>{259, 260}));
  }
  made = Tokenizer::create("{}");
  EXPECT_TRUE(watch.expired());
}

TEST(TokenTable, WhatATableCannotHoldStaysWhole) {
  const std::string small = test::smallTokenizerJson();
  const std::string unigram =
      R"({"version":"1.0","added_tokens":[],"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["a",-1.0]]}})";
  for (const std::string& json : {unigram, test::replaced(small, "\"he\":256", "\"he\":256,\"\":700"),
                                  test::replaced(small, "\"he\":256", "\"he\":256,\"far\":9000000"),
                                  test::replaced(small, "\"dropout\":null", "\"dropout\":0.0")}) {
    const CompactTokenizer compact = compactOf(json);
    EXPECT_TRUE(compact.table.empty());
    EXPECT_EQ(compact.json, json);
    EXPECT_TRUE(open(compact.json, compact.table)) << json.substr(0, 100);
  }
  EXPECT_EQ(Tokenizer::compact("{").status().code(), "TK_JSON");
}

TEST(TokenTable, BesideAnotherKindOfTokenizerIsRefused) {
  const CompactTokenizer compact = compactOf(test::smallTokenizerJson());
  const std::string unigram =
      R"({"version":"1.0","added_tokens":[],"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0]]}})";
  EXPECT_EQ(open(unigram, compact.table).status().code(), "TK_TABLE");
  // Without its table the rest is no tokenizer.
  EXPECT_FALSE(open(compact.json, ""));
}

TEST(TokenTable, EveryOtherLengthIsRefused) {
  const CompactTokenizer compact = compactOf(test::smallTokenizerJson());
  for (size_t size = 1; size < compact.table.size(); size += 1 + size / 40) {
    auto cut = open(compact.json, std::string_view(compact.table).substr(0, size));
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.status().code(), "TK_TABLE");
    EXPECT_EQ(cut.status().kind(), ErrorKind::kBadInput);
  }
  EXPECT_EQ(open(compact.json, compact.table + '\0').status().code(), "TK_TABLE");
}

TEST(TokenTable, ASizeThatLiesIsRefused) {
  const CompactTokenizer compact = compactOf(test::smallTokenizerJson());
  for (size_t field = 0; field < 6; ++field)
    for (const uint32_t value : {0u, 1u, 1u << 24, 1u << 31, ~0u}) {
      std::string table = compact.table;
      std::memcpy(table.data() + 8 + 4 * field, &value, 4);
      auto made = open(compact.json, table);
      // How many tokens there are counts for added tokens alone.
      if (field == 0 && value <= 1) continue;
      ASSERT_FALSE(made) << field << " " << value;
      EXPECT_EQ(made.status().code(), "TK_TABLE") << made.status().toString();
    }
}

/// What a program asks a tokenizer, whatever it answers.
void useAll(const Tokenizer& t) {
  const auto begin = std::chrono::steady_clock::now();
  for (const char* text : {"hello <s> 中 world", "hellohellohello", " \n\t", "<|im_end|>é"})
    if (auto ids = t.encode(text, {.addSpecialTokens = true, .parseSpecialTokens = true}))
      (void)t.decode(*ids, false).isOk();
  for (int32_t id = -1; id < 300; ++id) (void)(t.idToToken(id).has_value() && t.tokenBytes(id).has_value());
  (void)t.leastTokens("hello");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(TokenTable, MadeUpNumbersNeverCrash) {
  const CompactTokenizer compact = compactOf(test::smallTokenizerJson());
  std::mt19937 random(7);
  int accepted = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string table = compact.table;
    for (unsigned i = 0; i < 1 + random() % 60; ++i) {
      // Behind the sizes, which have their own test.
      const size_t words = (table.size() - 32) / 4, at = 32 + 4 * (random() % words);
      const uint32_t near = static_cast<uint32_t>(random() % 300), value = random() % 3 ? near : random();
      std::memcpy(table.data() + at, &value, 4);
    }
    if (auto made = open(compact.json, table)) {
      ++accepted;
      useAll(*made);
    } else {
      EXPECT_EQ(made.status().kind(), ErrorKind::kBadInput) << made.status().toString();
    }
  }
  EXPECT_GT(accepted, 100);
}

TEST(TokenTable, FullOfOneNumber) {
  const CompactTokenizer compact = compactOf(test::smallTokenizerJson());
  // Each place taken, each merge the same one, each token the whole pool or none of it.
  for (const uint32_t value : {0u, 1u, 2u, 256u, 257u, 1u << 31, ~0u}) {
    std::string table = compact.table;
    for (size_t at = 32; at + 4 <= table.size(); at += 4) std::memcpy(table.data() + at, &value, 4);
    if (auto made = open(compact.json, table)) useAll(*made);
  }
}

}  // namespace
}  // namespace llmc::rt
