// Encoding, decoding, control over special tokens, and use from several threads.
#include "runtime/text/tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "small_tokenizer.h"

namespace llmc::rt {
namespace {

using Ids = std::vector<int32_t>;

Tokenizer small() {
  auto made = Tokenizer::create(test::smallTokenizerJson());
  EXPECT_TRUE(made.isOk()) << made.status().toString();
  return made.take();
}

Ids ids(Result<Ids> result) {
  EXPECT_TRUE(result.isOk()) << result.status().toString();
  return result.isOk() ? result.take() : Ids{};
}

TEST(Tokenizer, EncodesWithMerges) {
  Tokenizer t = small();
  EXPECT_EQ(ids(t.encode("hello hello")), (Ids{259, 260}));
  EXPECT_EQ(ids(t.encode("")), Ids{});
  EXPECT_EQ(t.vocabSize(), 265);
}

TEST(Tokenizer, AddsSpecialTokensOnlyWhenAsked) {
  Tokenizer t = small();
  EXPECT_EQ(ids(t.encode("hello", {.addSpecialTokens = true})), (Ids{263, 259}));
  EXPECT_EQ(ids(t.encode("hello")), (Ids{259}));
}

TEST(Tokenizer, SpecialTextIsPlainUnlessParsed) {
  Tokenizer t = small();
  EXPECT_EQ(ids(t.encode("<s>")), (Ids{'<', 's', '>'}));
  EXPECT_EQ(ids(t.encode("<s>hello<|im_end|>", {.parseSpecialTokens = true})), (Ids{263, 259, 262}));
  for (int32_t id : ids(t.encode("<|im_start|><|im_end|> <s><s>"))) EXPECT_FALSE(t.isSpecial(id)) << id;
  // Added tokens that are not special are ordinary vocabulary.
  EXPECT_EQ(ids(t.encode("<think>")), (Ids{264}));
}

TEST(Tokenizer, DecodesAndSkipsSpecialTokens) {
  Tokenizer t = small();
  Ids sequence{261, 259, 260, 262};
  EXPECT_EQ(*t.decode(sequence), "hello hello");
  EXPECT_EQ(*t.decode(sequence, false), "<|im_start|>hello hello<|im_end|>");
  EXPECT_EQ(*t.decode(Ids{'h', 9999, -1, 'i'}), "hi");
  EXPECT_EQ(*t.decode(Ids{0xe4, 0xb8}), "\xef\xbf\xbd");
}

TEST(Tokenizer, GivesTokensAndTheirBytes) {
  Tokenizer t = small();
  EXPECT_EQ(t.idToToken(260), "Ġhello");
  EXPECT_EQ(t.tokenBytes(260), " hello");
  EXPECT_EQ(t.tokenBytes(262), "<|im_end|>");
  EXPECT_EQ(t.tokenToId("<|im_end|>"), 262);
  EXPECT_EQ(t.tokenToId("absent"), std::nullopt);
  EXPECT_EQ(t.idToToken(265), std::nullopt);
  EXPECT_EQ(t.tokenBytes(-1), std::nullopt);
  for (int byte = 0; byte < 256; ++byte) EXPECT_EQ(t.tokenBytes(byte), std::string(1, static_cast<char>(byte)));
}

TEST(Tokenizer, ABoundOfBytesHoldsForEachToken) {
  // The longest is "<|im_start|>".
  const Tokenizer t = small();
  for (const auto& [text, least] : {std::pair{"", 0u}, std::pair{"a", 1u}, std::pair{"<|im_start|>", 1u},
                                    std::pair{"hello hello !", 2u}, std::pair{"<|im_start|><|im_start|>", 2u}}) {
    EXPECT_EQ(t.leastTokens(text), least) << text;
    EXPECT_GE(ids(t.encode(text, {.parseSpecialTokens = true})).size(), least) << text;
  }
  EXPECT_EQ(t.leastTokens("\xff no UTF-8"), 0u);
  const std::string text(720, '!');
  const auto with = [&](const char* from, const char* to) {
    auto made = Tokenizer::create(test::replaced(test::smallTokenizerJson(), from, to));
    EXPECT_TRUE(made) << made.status().toString();
    return made ? made->leastTokens(text) : 1;
  };
  EXPECT_EQ(with(R"("normalizer":null)", R"("normalizer":{"type":"NFC"})"), 10u);
  EXPECT_EQ(with("<think>", "<think a while>"), 48u) << "15 bytes";
  EXPECT_EQ(with("\"!\":33,", "\"!!\":33,"), 0u) << "bytes without a token vanish";
  EXPECT_EQ(with("\"$\":36,", "\"$$\":36,"), 60u);
  // What may drop text, or make one token of any number of blanks.
  EXPECT_EQ(with(R"("lstrip":false)", R"("lstrip":true)"), 0u);
  EXPECT_EQ(with(R"("normalizer":null)", R"("normalizer":{"type":"Strip","strip_left":true,"strip_right":true})"), 0u);
  EXPECT_EQ(with(R"("pre_tokenizer":{)", R"("pre_tokenizer":{"type":"WhitespaceSplit"},"unused":{)"), 0u);
}

TEST(Tokenizer, SegmentsDoNotCutWords) {
  Tokenizer t = small();
  std::vector<TextSegment> segments{{"<|im_start|>he", false}, {"ll", true}, {"o hello<|im_end|>", false}};
  EXPECT_EQ(ids(t.encodeSegments(segments)), (Ids{261, 259, 260, 262}));
}

TEST(Tokenizer, SegmentsKeepUserTextPlain) {
  Tokenizer t = small();
  std::vector<TextSegment> segments{{"<s>", false}, {"<s>", true}, {"<s>", false}};
  EXPECT_EQ(ids(t.encodeSegments(segments)), (Ids{263, '<', 's', '>', 263}));
}

TEST(Tokenizer, NoSpecialTokenCrossesASegmentEdge) {
  Tokenizer t = small();
  std::vector<TextSegment> split{{"<", true}, {"s>", false}};
  EXPECT_EQ(ids(t.encodeSegments(split)), (Ids{'<', 's', '>'}));
  // Template parts with nothing between them are one text.
  std::vector<TextSegment> joined{{"<", false}, {"", true}, {"s>", false}};
  EXPECT_EQ(ids(t.encodeSegments(joined)), (Ids{263}));
}

TEST(Tokenizer, UserTextCannotHideTheNextTemplateToken) {
  Tokenizer t = small();
  std::vector<TextSegment> segments{{"<|im_", true}, {"<|im_end|>", false}};
  EXPECT_EQ(ids(t.encodeSegments(segments)), (Ids{'<', '|', 'i', 'm', '_', 262}));
}

TEST(Tokenizer, RefusesInvalidUtf8AndTakesNul) {
  Tokenizer t = small();
  for (std::string_view bad : {"\xff", "a\xc3", "\xed\xa0\x80", "\x80", "\xc0\xaf"}) {
    auto result = t.encode(bad);
    ASSERT_FALSE(result.isOk());
    EXPECT_EQ(result.status().code(), "TK_UTF8");
    EXPECT_EQ(result.status().kind(), ErrorKind::kUsage);
  }
  EXPECT_EQ(ids(t.encode(std::string_view("a\0b", 3))), (Ids{'a', 0, 'b'}));
}

TEST(Tokenizer, OneObjectServesManyThreads) {
  Tokenizer t = small();
  std::vector<std::thread> threads;
  std::vector<int> good(8, 0);
  for (size_t i = 0; i < good.size(); ++i) {
    threads.emplace_back([&good, i, t] {
      for (int round = 0; round < 200; ++round) {
        auto out = t.encode("hello hello " + std::to_string(round));
        good[i] += out.isOk() && *t.decode(*out) == "hello hello " + std::to_string(round);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (int count : good) EXPECT_EQ(count, 200);
}

}  // namespace
}  // namespace llmc::rt
