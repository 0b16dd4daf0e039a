// tokenizer.json: rows TK1 to TK8 of the catalogue, as far as the importer sees them.
#include "compiler/import/TokenizerCheck.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "compiler/import/ImportedModel.h"
#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

std::string code(const std::string& text) {
  return placedCodeOf(checkTokenizerJson(text, "tokenizer.json"), "tokenizer.json", text.size());
}
/// The honest tokenizer with one piece of its text replaced.
std::string with(const std::string& old, const std::string& text) {
  std::string json = tinyTokenizer();
  size_t at = json.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return code(json.replace(at, old.size(), text));
}
std::string withPart(const std::string& part) { return with(R"("normalizer":null)", "\"normalizer\":" + part); }
std::string withPattern(const std::string& pattern) {
  return withPart(R"({"type":"Split","pattern":{"Regex":")" + pattern + R"("},"behavior":"Isolated","invert":false})");
}

TEST(TokenizerCheck, ErrorsPointAtTheValueThatIsWrong) {
  const std::string text =
      R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":3},"merges":["a b","b zz"]},"added_tokens":[{"id":2,"content":"<s>"},)"
      R"({"id":-9,"content":"x"}],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Rot13"}]}})";
  // Each step mends what the step before found.
  std::string now = text;
  auto place = [&] {
    auto facts = checkTokenizerJson(now, "t");
    if (facts) return std::string("ok");
    const auto at = std::strtoul(facts.status().message().c_str() + std::strlen("t: byte "), nullptr, 10);
    return facts.status().code() + " " + now.substr(at, 6);
  };
  auto mend = [&](const std::string& from, const std::string& to) { now.replace(now.find(from), from.size(), to); };
  EXPECT_EQ(place(), "TK_MERGE \"b zz\"");
  mend("b zz", "a b");
  EXPECT_EQ(place(), "TK_ID {\"id\":");
  mend("-9", "9");
  EXPECT_EQ(place(), R"(TK_UNSUPPORTED {"type)");
  mend("Rot13", "NFD");
  EXPECT_EQ(place(), "ok");
  mend("\"b\":1", "\"b\":0");
  EXPECT_EQ(place(), "TK_ID 0,\"ab\"");
  mend("\"merges\":[", "\"m\":[");
  mend("\"b\":0", "\"b\":1");
  EXPECT_EQ(place(), "TK_MERGE {\"type");  // the model, which lacks them
}
TEST(TokenizerCheck, Honest) {
  auto facts = checkTokenizerJson(tinyTokenizer(), "t");
  ASSERT_TRUE(facts.isOk()) << facts.status().toString();
  EXPECT_EQ(facts->idEnd, 8);
  EXPECT_EQ(facts->firstId, -1);
  EXPECT_EQ(facts->addedIds.at("<|end|>"), 7);
}
TEST(TokenizerCheck, TK1_SizeAndDepth) {
  EXPECT_EQ(withPart(std::string(10'000, '[')), "TK_DEPTH");
  TempFolder folder;
  writeTinyFolder(folder);
  ASSERT_EQ(::truncate((folder.path() + "/tokenizer.json").c_str(), 1 << 30), 0);
  EXPECT_EQ(codeOf(importModel(folder.path())), "TK_TOO_LARGE");
}
TEST(TokenizerCheck, TK2_Ids) {
  EXPECT_EQ(with(R"("b":1)", R"("a":1)"), "TK_ID");
  EXPECT_EQ(with(R"("b":1)", R"("b":0)"), "TK_ID");
  for (const char* id : {"-1", "2147483648", "16777216", "1.0", "\"1\"", "null"}) {
    EXPECT_EQ(with(R"("b":1)", std::string("\"b\":") + id), "TK_ID") << id;
    EXPECT_EQ(with(R"("id":7)", std::string("\"id\":") + id), "TK_ID") << id;
  }
}
TEST(TokenizerCheck, TK3_Merges) {
  for (const char* merge :
       {"\"a x\"", "\"ab\"", "\"a  b\"", "\"a c\"", "1", "[\"a\"]", "[\"a\",\"b\",\"c\"]", "[\"\",\"a\"]"})
    EXPECT_EQ(with("\"a b\"", merge), "TK_MERGE") << merge;
  EXPECT_EQ(with(R"("merges":["a b",["c","d"],"ab cd"])", R"("merges":{})"), "TK_MERGE");
}
TEST(TokenizerCheck, TK4_Patterns) {
  for (const char* pattern :
       {"(a+)+", "(?:x*y?)*", "((ab)*c)*", "(a)\\\\1", "(?<n>a)\\\\k<n>", "(a", "a)", "[a", "a\\\\", "(a+){2,}"})
    EXPECT_EQ(withPattern(pattern), "TK_REGEX") << pattern;
  EXPECT_EQ(withPattern(std::string(1 << 20, 'a')), "TK_REGEX");
  EXPECT_EQ(patternFault(
                R"((?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
            "");
  EXPECT_EQ(patternFault(R"([(+*)]+[)](?:a+)?)"), "");
}
TEST(TokenizerCheck, TK5_CharacterMap) {
  EXPECT_EQ(withPart(R"({"type":"Precompiled","precompiled_charsmap":"AAAA"})"), "TK_CHARSMAP");
}
TEST(TokenizerCheck, TK6_UnknownParts) {
  for (const char* part :
       {R"({"type":"Martian"})", "{}", "[]", "1", R"({"type":"Sequence","normalizers":[{"type":"X"}]})",
        R"({"type":"Sequence","normalizers":{}})"})
    EXPECT_EQ(withPart(part), "TK_UNSUPPORTED") << part;
  EXPECT_EQ(with(R"("type":"BPE")", R"("type":"Martian")"), "TK_UNSUPPORTED");
}
TEST(TokenizerCheck, TK7_Expansion) {
  EXPECT_EQ(withPart(R"({"type":"Replace","pattern":{"String":"a"},"content":")" + std::string(65'536, 'b') + "\"}"),
            "TK_EXPANSION");
  EXPECT_EQ(withPart(R"({"type":"Replace","pattern":{"String":" "},"content":"▁"})"), "ok");
}
TEST(TokenizerCheck, TK8_AddedTokens) {
  EXPECT_EQ(with(R"("content":"<|end|>")", R"("content":"")"), "TK_ADDED");
  EXPECT_EQ(with(R"("content":"<|end|>")", R"("content":5)"), "TK_ADDED");
  EXPECT_EQ(with(R"("content":"<|end|>")", R"("content":"\ud800")"), "TK_JSON");
  EXPECT_EQ(with(R"("content":"<|end|>")", R"("content":"a")"), "TK_ID");  // the vocabulary says 0
  std::string many = "[";
  for (int i = 0; i < 100'001; ++i) many += (i ? ",{}" : "{}");
  EXPECT_EQ(with(R"("added_tokens":[)", R"("added_tokens":)" + many + R"(],"x":[)"), "TK_ADDED");
}

}  // namespace
}  // namespace llmc
