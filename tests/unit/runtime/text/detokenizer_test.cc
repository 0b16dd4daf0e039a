// Streams give the same text as decoding at once, and never half a character.
#include "runtime/text/detokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "small_tokenizer.h"

namespace llmc::rt {
namespace {

Tokenizer small() {
  auto made = Tokenizer::create(test::smallTokenizerJson());
  EXPECT_TRUE(made.isOk()) << made.status().toString();
  return made.take();
}

bool validUtf8(const Tokenizer& tokenizer, const std::string& text) { return tokenizer.encode(text).isOk(); }

TEST(TokenStream, EqualsDecodeOnRandomBytes) {
  Tokenizer t = small();
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::vector<int32_t> ids(1 + random() % 30);
    for (int32_t& id : ids) id = static_cast<int32_t>(round % 2 ? random() % 265 : 0x80 + random() % 0x80);
    TokenStream stream(t);
    std::string text;
    for (int32_t id : ids) {
      auto piece = stream.push(id);
      ASSERT_TRUE(piece.isOk());
      EXPECT_TRUE(validUtf8(t, *piece));
      text += *piece;
    }
    text += *stream.flush();
    EXPECT_EQ(text, *t.decode(ids));
  }
}

TEST(TokenStream, HoldsACharacterUntilItIsWhole) {
  Tokenizer t = small();
  TokenStream stream(t);
  EXPECT_EQ(*stream.push(0xf0), "");
  EXPECT_EQ(*stream.push(0x9f), "");
  EXPECT_EQ(*stream.push(0x98), "");
  EXPECT_EQ(*stream.push(0x80), "\xf0\x9f\x98\x80");
  EXPECT_EQ(*stream.push(260), " hello");
  EXPECT_EQ(*stream.flush(), "");
}

TEST(TokenStream, FlushEmitsTheIncompleteTailAndTheStreamGoesOn) {
  Tokenizer t = small();
  TokenStream stream(t);
  EXPECT_EQ(*stream.push('a'), "a");
  EXPECT_EQ(*stream.push(0xe4), "");
  EXPECT_EQ(*stream.flush(), "\xef\xbf\xbd");
  EXPECT_EQ(*stream.push('b'), "b");
}

TEST(TokenStream, SpecialAndUnknownIds) {
  Tokenizer t = small();
  TokenStream skipping(t), showing(t, false);
  EXPECT_EQ(*skipping.push(262), "");
  EXPECT_EQ(*showing.push(262), "<|im_end|>");
  EXPECT_EQ(*skipping.push(100000), "");
  EXPECT_EQ(*skipping.push(-1), "");
  EXPECT_EQ(*skipping.push('x'), "x");
}

TEST(TokenStream, DoesNotHoldInvalidBytesForever) {
  Tokenizer t = small();
  TokenStream stream(t);
  std::string text;
  for (int i = 0; i < 1000; ++i) text += *stream.push(0xff);
  EXPECT_GT(text.size(), 900u * 3);
}

TEST(TokenStream, OutlivesTheTokenizerObject) {
  auto tokenizer = std::make_unique<Tokenizer>(small());
  TokenStream stream(*tokenizer);
  tokenizer.reset();
  EXPECT_EQ(*stream.push(259), "hello");
}

}  // namespace
}  // namespace llmc::rt
