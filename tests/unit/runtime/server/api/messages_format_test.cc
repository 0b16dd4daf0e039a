// Anthropic's events and messages.
#include "runtime/server/api/messages_format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/runtime/server/api/event_text.h"

namespace llmc::rt::server {
namespace {
using nlohmann::json;
using test::eventsOf;

ChoiceText piece(std::string_view text, FinishReason finish = FinishReason::kNone, std::string_view stop = "null") {
  ChoiceText out;
  out.text = text;
  out.finish = finish;
  out.stopReason = stop;
  return out;
}

TEST(MessagesFormat, AStreamHasAllEventsInOrder) {
  MessagesFormat format({"id1", "m\"x", 42});
  std::string out;
  format.appendBegin(out, 0, {}, {10, 1, 4});
  format.appendPiece(out, piece("a\n"), {10, 1, 4});
  format.appendPiece(out, piece(""), {10, 2, 4});
  format.appendPiece(out, piece("b", FinishReason::kStop, "\"END\""), {10, 3, 4});
  format.appendEnd(out, {10, 3, 4});
  const auto events = eventsOf(out);
  ASSERT_EQ(events.size(), 8u);
  EXPECT_EQ(events[0]["message"]["id"], "msg_id1");
  EXPECT_EQ(events[0]["message"]["model"], "m\"x");
  EXPECT_EQ(events[0]["message"]["content"], json::array());
  EXPECT_TRUE(events[0]["message"]["stop_reason"].is_null());
  EXPECT_EQ(events[0]["message"]["usage"]["input_tokens"], 6) << "those from the cache are not counted twice";
  EXPECT_EQ(events[0]["message"]["usage"]["cache_read_input_tokens"], 4);
  EXPECT_EQ(events[0]["message"]["usage"]["output_tokens"], 0);
  EXPECT_EQ(events[1]["content_block"], (json{{"type", "text"}, {"text", ""}}));
  EXPECT_EQ(events[2]["type"], "ping");
  EXPECT_EQ(events[3]["delta"], (json{{"type", "text_delta"}, {"text", "a\n"}}));
  EXPECT_EQ(events[4]["delta"]["text"], "b");
  EXPECT_EQ(events[5]["type"], "content_block_stop");
  EXPECT_EQ(events[6]["delta"]["stop_reason"], "stop_sequence");
  EXPECT_EQ(events[6]["delta"]["stop_sequence"], "END");
  EXPECT_EQ(events[6]["usage"]["output_tokens"], 3);
  EXPECT_EQ(events[7]["type"], "message_stop");
}

TEST(MessagesFormat, WholeMessagesSayWhyTheyEnd) {
  for (const auto& [finish, stop, reason] :
       {std::tuple{FinishReason::kStop, "null", "end_turn"}, std::tuple{FinishReason::kStop, "98", "end_turn"},
        std::tuple{FinishReason::kStop, "\"x\"", "stop_sequence"},
        std::tuple{FinishReason::kLength, "null", "max_tokens"},
        std::tuple{FinishReason::kAbort, "null", "pause_turn"}}) {
    const ChoiceText choice = piece("one \"two\"", finish, stop);
    const json body = json::parse(MessagesFormat({"i", "m", 1}).whole({&choice, 1}, {5, 2, 0}));
    EXPECT_EQ(body["type"], "message");
    EXPECT_EQ(body["role"], "assistant");
    EXPECT_EQ(body["content"], json::array({{{"type", "text"}, {"text", "one \"two\""}}}));
    EXPECT_EQ(body["stop_reason"], reason);
    EXPECT_EQ(body["stop_sequence"].is_null(), std::string(reason) != "stop_sequence");
    EXPECT_EQ(body["usage"]["input_tokens"], 5);
    EXPECT_EQ(body["usage"]["output_tokens"], 2);
  }
}

TEST(MessagesFormat, ErrorsAreEvents) {
  std::string out;
  MessagesFormat({"i", "m", 1}).appendError(out, {503, "engine_unavailable", "try \"later\"", {}});
  const auto events = eventsOf(out);
  EXPECT_EQ(events[0]["error"], (json{{"type", "overloaded_error"}, {"message", "try \"later\""}}));
}

}  // namespace
}  // namespace llmc::rt::server
