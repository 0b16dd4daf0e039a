// tokenizer.json files and texts made to break things: each gives its error in bounded time.
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "runtime/text/tokenizer.h"
#include "small_tokenizer.h"

namespace llmc::rt {
namespace {

std::string codeOf(const std::string& json) {
  auto made = Tokenizer::create(json);
  if (made) return "accepted";
  EXPECT_EQ(made.status().kind(), ErrorKind::kBadInput);
  return made.status().code();
}

std::string with(const std::string& from, const std::string& to) {
  std::string json = test::smallTokenizerJson();
  std::string out = test::replaced(json, from, to);
  EXPECT_NE(out, json) << from;
  return out;
}

std::string withSplit(const std::string& pattern) {
  return with(R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})",
              R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":)" + test::quoted(pattern) +
                  R"(},"behavior":"Isolated","invert":false})");
}

std::string withNormalizer(const std::string& normalizer) {
  return with(R"("normalizer":null)", "\"normalizer\":" + normalizer);
}

TEST(HostileTokenizer, Deep) {
  EXPECT_EQ(codeOf(std::string(10'000, '[') + std::string(10'000, ']')), "TK_DEPTH");
  EXPECT_EQ(codeOf(withNormalizer(std::string(65, '[') + std::string(65, ']'))), "TK_DEPTH");
}

TEST(HostileTokenizer, NotJson) {
  EXPECT_EQ(codeOf(""), "TK_JSON");
  EXPECT_EQ(codeOf("[]"), "TK_JSON");
  EXPECT_EQ(codeOf("\xff"), "TK_UTF8");
  EXPECT_NE(codeOf("{}"), "accepted");
}

TEST(HostileTokenizer, EveryCutIsRefused) {
  std::string json = test::smallTokenizerJson();
  for (size_t size = 0; size < json.size(); size += 97) EXPECT_NE(codeOf(json.substr(0, size)), "accepted") << size;
}

TEST(HostileTokenizer, Ids) {
  EXPECT_EQ(codeOf(with("\"he\":256", "\"he\":255")), "TK_ID");
  EXPECT_NE(codeOf(with("\"he\":256", "\"he\":-1")), "accepted");
  EXPECT_EQ(codeOf(with("\"Ġhello\":260", "\"Ġhello\":2147483648")), "TK_ID");
  EXPECT_EQ(codeOf(with("\"id\":262", "\"id\":261")), "TK_ID");
  EXPECT_EQ(codeOf(with("\"id\":262", "\"id\":-1")), "TK_ID");
}

TEST(HostileTokenizer, Merges) { EXPECT_EQ(codeOf(with(R"(["h","e"])", R"(["h","absent"])")), "TK_MERGE"); }

TEST(HostileTokenizer, Patterns) {
  EXPECT_EQ(codeOf(withSplit("(a+)+$")), "TK_REGEX");
  EXPECT_EQ(codeOf(withSplit("((a*)b?)*c")), "TK_REGEX");
  EXPECT_EQ(codeOf(withSplit("(a)\\1")), "TK_REGEX");
  EXPECT_EQ(codeOf(withSplit(std::string(1 << 20, 'a'))), "TK_REGEX");
  EXPECT_NE(codeOf(withSplit("(unclosed")), "accepted");
}

TEST(HostileTokenizer, PartsNobodyKnows) {
  EXPECT_EQ(codeOf(withNormalizer(R"({"type":"Surprise"})")), "TK_UNSUPPORTED");
  EXPECT_EQ(codeOf(with(R"("decoder":{"type":"ByteLevel")", R"("decoder":{"type":"Surprise")")), "TK_UNSUPPORTED");
  EXPECT_NE(codeOf(withNormalizer(R"({"type":"Precompiled","precompiled_charsmap":"AAAA"})")), "accepted");
  EXPECT_NE(codeOf(withNormalizer(R"({"type":"Precompiled","precompiled_charsmap":"/////wAAAAA="})")), "accepted");
}

TEST(HostileTokenizer, Expansion) {
  std::string big(65'536, 'x');
  EXPECT_EQ(codeOf(withNormalizer(R"({"type":"Replace","pattern":{"String":"a"},"content":")" + big + "\"}")),
            "TK_EXPANSION");
  std::string rule = R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})";
  std::string rules = rule;
  for (int i = 0; i < 40; ++i) rules += "," + rule;
  EXPECT_EQ(codeOf(withNormalizer(R"({"type":"Sequence","normalizers":[)" + rules + "]}")), "TK_EXPANSION");
}

TEST(HostileTokenizer, AddedTokens) {
  EXPECT_EQ(codeOf(with("\"content\":\"<s>\"", "\"content\":\"\"")), "TK_ADDED");
  EXPECT_EQ(codeOf(with("\"content\":\"<s>\"", "\"content\":\"" + std::string(5000, 'a') + "\"")), "TK_ADDED");
  EXPECT_NE(codeOf(with("\"content\":\"<s>\"", R"("content":"\ud800")")), "accepted");
}

TEST(HostileTokenizer, ChangedBytesNeverCrash) {
  const std::string json = test::smallTokenizerJson();
  constexpr std::string_view kBytes = "{}[]\",:0129-tfn\\\xff\x01 ";
  std::mt19937 random(11);
  int accepted = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string changed = json;
    for (unsigned i = 0; i < 1 + random() % 3; ++i) {
      size_t at = round % 2 ? changed.size() - 1 - random() % 200 : random() % changed.size();
      if (random() % 4 == 0) {
        changed.erase(at, 1 + random() % 40);
      } else {
        changed[at] = kBytes[random() % kBytes.size()];
      }
    }
    auto made = Tokenizer::create(changed);
    if (!made) {
      EXPECT_EQ(made.status().kind(), ErrorKind::kBadInput) << made.status().toString();
      continue;
    }
    ++accepted;
    auto ids = made->encode("hello <s> 中 world", {.addSpecialTokens = true, .parseSpecialTokens = true});
    if (ids) EXPECT_TRUE(made->decode(*ids).isOk());
  }
  EXPECT_GT(accepted, 10);
}

TEST(HostileTokenizer, PatternsThatTakeTooLongAreStopped) {
  const std::string text(1 << 16, '1');
  for (const std::string pattern : {"1+2", "(1|11)+2", "1{1,100000}2"}) {
    auto made = Tokenizer::create(withSplit(pattern));
    ASSERT_TRUE(made.isOk()) << pattern << made.status().toString();
    auto begin = std::chrono::steady_clock::now();
    auto ids = made->encode(text);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << pattern;
    ASSERT_FALSE(ids.isOk()) << pattern;
    EXPECT_EQ(ids.status().code(), "TK_LIMIT") << pattern;
    EXPECT_TRUE(made->encode("hello 1").isOk()) << pattern;
  }
}

TEST(HostileTokenizer, CompilingAPatternIsBounded) {
  for (const std::string pattern : {"(((1{1000}){1000}){1000})", "((((((x{9}){99}){99}){99}){99}){99})"}) {
    auto begin = std::chrono::steady_clock::now();
    auto made = Tokenizer::create(withSplit(pattern));
    if (!made) EXPECT_EQ(made.status().code(), "TK_REGEX") << pattern;
    if (made) (void)made->encode(std::string(1 << 16, '1')).isOk();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4)) << pattern;
  }
}

TEST(HostileTokenizer, LongTextsTakeBoundedTime) {
  auto made = Tokenizer::create(test::smallTokenizerJson());
  ASSERT_TRUE(made.isOk());
  std::string hello, chinese, marks, start;
  for (int i = 0; i < 200'000; ++i) hello += "hello";
  for (int i = 0; i < 300'000; ++i) chinese += "中";
  for (int i = 0; i < 300'000; ++i) marks += "\xcc\x81";
  for (int i = 0; i < 100'000; ++i) start += "<|im_start";
  for (const std::string& text : {std::string(1 << 20, 'A'), std::string(1 << 20, '^'), std::string(1 << 20, ' '),
                                  hello, chinese, marks, start}) {
    auto begin = std::chrono::steady_clock::now();
    auto ids = made->encode(text, {.parseSpecialTokens = true});
    EXPECT_TRUE(ids.isOk()) << ids.status().toString();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
    EXPECT_EQ(*made->decode(*ids), text);
  }
}

}  // namespace
}  // namespace llmc::rt
