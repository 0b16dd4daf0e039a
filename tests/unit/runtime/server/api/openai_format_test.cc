// Events and whole answers are JSON with vLLM's fields.
#include "runtime/server/api/openai_format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace llmc::rt::server {
namespace {
using nlohmann::json;

json eventOf(const std::string& text) {
  EXPECT_TRUE(text.starts_with("data: "));
  EXPECT_TRUE(text.ends_with("\n\n"));
  return json::parse(text.substr(6));
}

TEST(OpenAiFormat, ChatEvents) {
  OpenAiFormat writer(true, {"id1", "m\"x", 42}, {});
  std::string out;
  writer.appendBegin(out, 2, {"[1,2]", R"("<s>hi")"}, {});
  json event = eventOf(out);
  EXPECT_EQ(event["id"], "chatcmpl-id1");
  EXPECT_EQ(event["object"], "chat.completion.chunk");
  EXPECT_EQ(event["created"], 42);
  EXPECT_EQ(event["model"], "m\"x");
  EXPECT_EQ(event["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(event["prompt_token_ids"], json({1, 2}));
  EXPECT_EQ(event["prompt_text"], "<s>hi");
  EXPECT_FALSE(event.contains("usage"));

  out.clear();
  ChoiceText piece;
  piece.index = 2;
  piece.text = "a\n";
  piece.finish = FinishReason::kStop;
  piece.stopReason = "\"END\"";
  const Usage usage{3, 4, 1};
  OpenAiFormat counting(true, {"id1", "m", 42}, {.last = true, .each = true});
  counting.appendPiece(out, piece, usage);
  event = eventOf(out);
  EXPECT_EQ(event["choices"][0]["delta"]["content"], "a\n");
  EXPECT_EQ(event["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(event["choices"][0]["stop_reason"], "END");
  EXPECT_EQ(event["usage"]["total_tokens"], 7);
  EXPECT_EQ(event["usage"]["prompt_tokens_details"]["cached_tokens"], 1);

  out.clear();
  counting.appendEnd(out, usage);
  ASSERT_TRUE(out.ends_with("data: [DONE]\n\n"));
  event = eventOf(out.substr(0, out.size() - 14));
  EXPECT_TRUE(event["choices"].empty());
  EXPECT_EQ(event["usage"]["completion_tokens"], 4);

  out.clear();
  writer.appendEnd(out, usage);
  EXPECT_EQ(out, "data: [DONE]\n\n") << "usage comes when it was asked for";
}

TEST(OpenAiFormat, CompletionEvents) {
  OpenAiFormat writer(false, {"id1", "m", 42}, {});
  ChoiceText piece;
  piece.text = "a";
  piece.tokenIds = "[97]";
  piece.logprobs = R"({"tokens":["a"]})";
  std::string out;
  writer.appendBegin(out, 0, {"[1]", "\"p\""}, {});
  EXPECT_EQ(out, "") << "only a chat has a role";
  writer.appendPiece(out, piece, {});
  const json event = eventOf(out);
  EXPECT_EQ(event["id"], "cmpl-id1");
  EXPECT_EQ(event["object"], "text_completion");
  EXPECT_EQ(event["choices"][0]["text"], "a");
  EXPECT_EQ(event["choices"][0]["token_ids"], json({97}));
  EXPECT_EQ(event["choices"][0]["logprobs"]["tokens"][0], "a");
  EXPECT_TRUE(event["choices"][0]["finish_reason"].is_null());
}

TEST(OpenAiFormat, WholeAnswers) {
  ChoiceText choices[2];
  choices[0].text = "one";
  choices[0].finish = FinishReason::kLength;
  choices[0].promptLogprobs = "[null]";
  choices[0].prompt.text = "\"p\"";
  choices[1].index = 1;
  choices[1].finish = FinishReason::kStop;
  const json chat = json::parse(OpenAiFormat(true, {"i", "m", 1}, {}).whole(choices, {1, 2, 0}));
  EXPECT_EQ(chat["object"], "chat.completion");
  EXPECT_EQ(chat["choices"][0]["message"]["content"], "one");
  EXPECT_EQ(chat["choices"][1]["finish_reason"], "stop");
  EXPECT_EQ(chat["prompt_logprobs"], json::array({nullptr}));
  EXPECT_EQ(chat["prompt_text"], "p");
  const json text = json::parse(OpenAiFormat(false, {"i", "m", 1}, {}).whole(choices, {1, 2, 0}));
  EXPECT_EQ(text["choices"][0]["text"], "one");
  EXPECT_EQ(text["choices"][0]["prompt_logprobs"], json::array({nullptr}));
  EXPECT_EQ(text["choices"][0]["prompt_text"], "p");
  EXPECT_FALSE(text["choices"][1].contains("prompt_text")) << "it was not asked for";
  EXPECT_EQ(text["usage"]["prompt_tokens"], 1);
}

TEST(OpenAiFormat, ErrorsAreEvents) {
  std::string out;
  OpenAiFormat(true, {"i", "m", 1}, {}).appendError(out, {500, "internal_error", "m", {}});
  EXPECT_EQ(eventOf(out)["error"]["code"], "internal_error");
}

}  // namespace
}  // namespace llmc::rt::server
