// Tokens in three formats of log probabilities.
#include "runtime/server/api/logprobs_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "../served.h"

namespace llmc::rt::server {
namespace {
using nlohmann::json;

const Tokenizer& tokenizer() {
  static const ModelText text = test::mockModelText();
  return text.tokenizer;
}

TEST(LogprobsText, ChatEntriesHaveExactBytes) {
  std::string out;
  appendChatLogprob(out, {tokenizer()}, 0xc3, {-1.0f, {{260, -0.5f}, {0xc3, -1.0f}}});
  const json entry = json::parse(out);
  EXPECT_EQ(entry["token"], "\xEF\xBF\xBD");
  EXPECT_EQ(entry["bytes"], json({0xc3}));
  EXPECT_EQ(entry["top_logprobs"][0]["token"], " hello");
  EXPECT_EQ(entry["top_logprobs"].size(), 2u);
}

TEST(LogprobsText, IdsInPlaceOfTexts) {
  EXPECT_EQ((TokenSpelling{tokenizer(), true}.text(7)), "token_id:7");
  EXPECT_EQ((TokenSpelling{tokenizer()}.text(262)), "<|im_end|>");
}

TEST(LogprobsText, CompletionArraysStayParallel) {
  CompletionLogprobs list;
  uint64_t offset = 3;
  const std::pair<int32_t, float> top[] = {{'x', -0.5f}};
  list.addFirst({tokenizer()}, 260, offset);
  list.add({tokenizer()}, 'b', -2.0f, top, offset);
  std::string out;
  list.append(out);
  const json got = json::parse(out);
  EXPECT_EQ(got["tokens"], json({" hello", "b"}));
  EXPECT_EQ(got["text_offset"], json({3, 9}));
  EXPECT_EQ(got["token_logprobs"], json({nullptr, -2.0}));
  EXPECT_EQ(got["top_logprobs"], json::array({nullptr, {{"x", -0.5}, {"b", -2.0}}}));
  EXPECT_EQ(offset, 10u);
}

TEST(LogprobsText, AChoiceGathersInItsApisStyle) {
  for (const auto& [style, wanted] :
       {std::pair{LogprobStyle::kContent, R"({"content":[E,E]})"}, std::pair{LogprobStyle::kList, "[E,E]"}}) {
    std::string entry, expected = wanted;
    appendChatLogprob(entry, {tokenizer()}, 'b', {-2.0f, {}});
    for (size_t at; (at = expected.find('E')) != std::string::npos;) expected.replace(at, 1, entry);
    ChoiceLogprobs list(style);
    EXPECT_EQ(list.take(), "");
    for (int i = 0; i < 2; ++i) list.add({tokenizer()}, 'b', {-2.0f, {}});
    EXPECT_EQ(list.take(), expected);
    EXPECT_EQ(list.take(), "");
  }
  ChoiceLogprobs arrays(LogprobStyle::kArrays);
  const int32_t ids[] = {'a', 'b'};
  const PositionLogprobs prompt[] = {{-1.0f, 1, {}}};
  arrays.addPrompt({tokenizer()}, ids, prompt, "ab");
  (void)arrays.take();
  arrays.add({tokenizer()}, 'c', {-2.0f, {}});
  EXPECT_EQ(json::parse(arrays.take())["text_offset"], json::array({2})) << "the offset counts what was taken";
}

TEST(LogprobsText, OffsetsOfAPromptAreThoseOfItsText) {
  const auto offsets = [](const std::vector<int32_t>& ids, std::string_view text) {
    ChoiceLogprobs arrays(LogprobStyle::kArrays);
    const std::vector<PositionLogprobs> logprobs(ids.size() - 1, PositionLogprobs{-1.0f, 1, {}});
    arrays.addPrompt({tokenizer()}, ids, logprobs, text);
    arrays.add({tokenizer()}, 'z', {-2.0f, {}});
    return json::parse(arrays.take())["text_offset"];
  };
  EXPECT_EQ(offsets({263, 'a', 'b'}, "ab"), json({0, 0, 1, 2})) << "the BOS is not in the text";
  EXPECT_EQ(offsets({263, 'a'}, "<s>a"), json({0, 3, 4})) << "here it is";
  EXPECT_EQ(offsets({260, 'b'}, "hellob"), json({0, 5, 6})) << "the tokenizer's own space is not";
  EXPECT_EQ(offsets({0xc3, 0xa9, 'b'},
                    "\xc3\xa9"
                    "b"),
            json({0, 1, 1, 2}))
      << "characters, not bytes";
}

TEST(LogprobsText, PromptsHaveRanks) {
  std::string out;
  const int32_t prompt[] = {'a', 'b'};
  const std::vector<PositionLogprobs> logprobs = {{-3.0f, 9, {{'c', -0.5f}}}};
  appendPromptLogprobs(out, {tokenizer()}, prompt, logprobs);
  const json got = json::parse(out);
  EXPECT_TRUE(got[0].is_null());
  EXPECT_EQ(got[1]["98"]["rank"], 9);
  EXPECT_EQ(got[1]["99"]["rank"], 1);
  EXPECT_EQ(got[1]["99"]["decoded_token"], "c");
}

TEST(LogprobsText, InvalidBytesAreReplaced) {
  EXPECT_EQ(replaceInvalid("a\xff\xc3\xa9\xe2\x82"), "a\xEF\xBF\xBD\xc3\xa9\xEF\xBF\xBD\xEF\xBF\xBD");
}

}  // namespace
}  // namespace llmc::rt::server
