// Answers of many megabytes: bounded, put together on another thread, and not taken for a slow reader.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "served.h"

namespace llmc::rt::server::test {
namespace {

using nlohmann::json;
constexpr const char* kCompletionsPath = "/v1/completions";
constexpr const char* kChatPath = "/v1/chat/completions";

MockOptions longContext() {
  MockOptions mock;
  mock.context = 1'000'000;
  return mock;
}

std::string chat(const std::string& fields) { return R"({"messages":[{"role":"user","content":"x"}],)" + fields + "}"; }

TEST(AnswerChoices, ALongAnswerIsWhole) {
  Served served(longContext());
  const Reply reply = served.post(kChatPath, chat(R"("n":3,"max_tokens":1000,"logprobs":true,"top_logprobs":20)"));
  ASSERT_EQ(reply.status, 200);
  ASSERT_GT(reply.body.size(), size_t{1} << 20) << "is put together apart";
  const json body = json::parse(reply.body);
  for (const json& choice : body["choices"]) {
    EXPECT_EQ(choice["message"]["content"].get<std::string>().size(), 1000u);
    ASSERT_EQ(choice["logprobs"]["content"].size(), 1000u);
    EXPECT_EQ(choice["logprobs"]["content"][999]["top_logprobs"].size(), 20u);
  }
  EXPECT_EQ(body["usage"]["completion_tokens"], 3000);
  EXPECT_TRUE(eventually([&] { return served.server->load() == 0; }));
}

TEST(AnswerChoices, WhoLeavesWhileItIsPutTogetherLeavesNothing) {
  Served served(longContext());
  for (int i = 0; i < 4; ++i) {
    Client client(served.server->port());
    client.send(postText(kChatPath, chat(R"("n":3,"max_tokens":1000,"logprobs":true,"top_logprobs":20)")));
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * i));
    client.close();
  }
  EXPECT_TRUE(eventually([&] { return served.server->load() == 0; }));
  EXPECT_EQ(served.get("/health").status, 200);
}

TEST(AnswerChoices, AnAnswerThatOutgrowsItsBoundEnds) {
  Served served(longContext());
  const Reply reply = served.post(kChatPath, chat(R"("n":128,"logprobs":true,"top_logprobs":20)"));
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(json::parse(reply.body)["error"]["param"], "top_logprobs");
  EXPECT_EQ(served.server->load(), 0u);
  EXPECT_TRUE(eventually([&] { return served.backend.stats().running == 0; })) << "nothing goes on";
  const Reply stream = served.post("/v1/responses", R"({"input":"x","stream":true,"top_logprobs":20})");
  EXPECT_EQ(json::parse(stream.events().back())["error"]["code"], "invalid_value");
}

TEST(AnswerChoices, RepeatedPromptsAreBounded) {
  Served served(longContext());
  std::string prompt = "65";
  for (int i = 1; i < 350'000; ++i) prompt += ",65";
  const std::string body = R"({"prompt":[)" + prompt + R"(],"max_tokens":1,"return_token_ids":true,"n":)";
  const Reply reply = served.post(kCompletionsPath, body + "128}");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(json::parse(reply.body)["error"]["param"], "return_token_ids");
  EXPECT_EQ(served.post(kCompletionsPath, body + "2}").status, 200);
  EXPECT_EQ(served.server->load(), 0u);
}

TEST(AnswerChoices, FirstEventsThatHoldPromptsAreNoSlowReader) {
  Served served(longContext());
  std::string prompt = "65";
  for (int i = 1; i < 350'000; ++i) prompt += ",65";
  const auto events =
      served
          .post(kCompletionsPath,
                R"({"prompt":[)" + prompt + R"(],"max_tokens":3,"return_token_ids":true,"stream":true,"n":4})")
          .events();
  ASSERT_EQ(events.size(), 13u);
  EXPECT_EQ(events.back(), "[DONE]");
  EXPECT_GT(events.front().size(), 1'000'000u);
}

}  // namespace
}  // namespace llmc::rt::server::test
