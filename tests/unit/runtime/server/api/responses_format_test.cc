// Events and responses of OpenAI's newer API.
#include "runtime/server/api/responses_format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/runtime/server/api/event_text.h"

namespace llmc::rt::server {
namespace {
using nlohmann::json;

/// The payloads, after a check that they are numbered.
std::vector<json> eventsOf(const std::string& text) {
  std::vector<json> out = test::eventsOf(text);
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i]["sequence_number"], i);
  return out;
}

ChoiceText piece(std::string_view text, FinishReason finish = FinishReason::kNone, std::string_view logprobs = {}) {
  ChoiceText out;
  out.text = text;
  out.finish = finish;
  out.logprobs = logprobs;
  return out;
}

TEST(ResponsesFormat, AStreamHasAllEventsInOrder) {
  ResponsesFormat format({"id1", "m\"x", 42}, R"("metadata":{"a":"b"})");
  std::string out;
  format.appendBegin(out, 0, {}, {10, 1, 4});
  format.appendPiece(out, piece("a\n", FinishReason::kNone, R"([{"token":"a"}])"), {10, 1, 4});
  format.appendPiece(out, piece(""), {10, 2, 4});
  format.appendPiece(out, piece("b", FinishReason::kStop, R"([{"token":"b"}])"), {10, 3, 4});
  format.appendEnd(out, {10, 3, 4});
  const auto events = eventsOf(out);
  const char* types[] = {"response.created",           "response.in_progress",
                         "response.output_item.added", "response.content_part.added",
                         "response.output_text.delta", "response.output_text.delta",
                         "response.output_text.done",  "response.content_part.done",
                         "response.output_item.done",  "response.completed"};
  ASSERT_EQ(events.size(), std::size(types));
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i]["type"], types[i]);
  EXPECT_EQ(events[0]["response"]["id"], "resp_id1");
  EXPECT_EQ(events[0]["response"]["status"], "in_progress");
  EXPECT_EQ(events[0]["response"]["metadata"]["a"], "b");
  EXPECT_TRUE(events[0]["response"]["usage"].is_null());
  EXPECT_EQ(events[0]["response"]["store"], false);
  EXPECT_EQ(events[2]["item"]["id"], "msg_id1");
  EXPECT_EQ(events[3]["part"]["text"], "");
  EXPECT_EQ(events[4]["delta"], "a\n");
  EXPECT_EQ(events[4]["item_id"], "msg_id1");
  EXPECT_EQ(events[5]["logprobs"], json::array({{{"token", "b"}}}));
  EXPECT_EQ(events[6]["text"], "a\nb");
  EXPECT_EQ(events[6]["logprobs"].size(), 2u);
  EXPECT_EQ(events[7]["part"]["text"], "a\nb");
  EXPECT_EQ(events[8]["item"]["status"], "completed");
  const json response = events[9]["response"];
  EXPECT_EQ(response["output"][0]["content"][0]["text"], "a\nb");
  EXPECT_EQ(response["usage"]["input_tokens"], 10);
  EXPECT_EQ(response["usage"]["input_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(response["usage"]["output_tokens_details"]["reasoning_tokens"], 0);
  EXPECT_EQ(response["usage"]["total_tokens"], 13);
}

TEST(ResponsesFormat, WhatWasCutIsIncomplete) {
  ResponsesFormat format({"i", "m", 1}, R"("metadata":{})");
  std::string out;
  format.appendBegin(out, 0, {}, {});
  format.appendPiece(out, piece("a", FinishReason::kLength), {});
  format.appendEnd(out, {});
  const json last = eventsOf(out).back();
  EXPECT_EQ(last["type"], "response.incomplete");
  EXPECT_EQ(last["response"]["status"], "incomplete");
  EXPECT_EQ(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(last["response"]["output"][0]["status"], "incomplete");
}

TEST(ResponsesFormat, WholeResponses) {
  for (const auto& [finish, status] :
       {std::pair{FinishReason::kStop, "completed"}, std::pair{FinishReason::kLength, "incomplete"},
        std::pair{FinishReason::kAbort, "incomplete"}}) {
    const ChoiceText choice = piece("text", finish, R"([{"token":"t"}])");
    const json body = json::parse(ResponsesFormat({"i", "m", 7}, R"("metadata":{})").whole({&choice, 1}, {5, 2, 0}));
    EXPECT_EQ(body["object"], "response");
    EXPECT_EQ(body["created_at"], 7);
    EXPECT_EQ(body["status"], status);
    EXPECT_EQ(body["incomplete_details"].is_null(), finish == FinishReason::kStop);
    EXPECT_EQ(body["output"][0]["content"][0]["text"], "text");
    EXPECT_EQ(body["output"][0]["content"][0]["logprobs"][0]["token"], "t");
    EXPECT_EQ(body["usage"]["output_tokens"], 2);
  }
}

TEST(ResponsesFormat, ErrorsAreEvents) {
  std::string out;
  ResponsesFormat({"i", "m", 1}, {}).appendError(out, {500, "internal_error", "m", {}});
  const json event = eventsOf(out)[0];
  EXPECT_EQ(event["code"], "internal_error");
  EXPECT_EQ(event["message"], "m");
  EXPECT_EQ(event["error"]["code"], "internal_error") << "OpenAI's client raises for it";
}

}  // namespace
}  // namespace llmc::rt::server
