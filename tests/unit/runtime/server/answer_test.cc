// Answers over HTTP: streams, whole ones, ends of every kind, and the reader's pace.
#include "runtime/server/answer.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "served.h"

namespace llmc::rt::server::test {
namespace {
using nlohmann::json;

const char* const kText = "/v1/completions";
const char* const kChat = "/v1/chat/completions";

std::string letters(int first, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += static_cast<char>('a' + (first + i) % 26);
  return out;
}

TEST(Answer, OneEventATokenInOrder) {
  Served served;
  const Reply reply = served.post(kText, R"({"prompt":[3],"max_tokens":60,"stream":true,"return_token_ids":true,
      "stream_options":{"include_usage":true,"continuous_usage_stats":true}})");
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.at("content-type"), "text/event-stream; charset=utf-8");
  const auto events = reply.events();
  ASSERT_EQ(events.size(), 62u);
  std::string text;
  for (size_t i = 0; i < 60; ++i) {
    const json event = json::parse(events[i]);
    text += event["choices"][0]["text"].get<std::string>();
    EXPECT_EQ(event["choices"][0]["token_ids"].size(), 1u);
    EXPECT_EQ(event["usage"]["completion_tokens"], i + 1);
    EXPECT_EQ(event["choices"][0]["finish_reason"].is_null(), i < 59);
  }
  EXPECT_EQ(text, letters(3, 60));
  EXPECT_EQ(json::parse(events[60])["usage"]["total_tokens"], 61);
  EXPECT_EQ(events[61], "[DONE]");
}

TEST(Answer, PromptsTimesChoices) {
  Served served;
  const json body = json::parse(served.post(kText, R"({"prompt":[[1],[2]],"n":3,"max_tokens":4})").body);
  ASSERT_EQ(body["choices"].size(), 6u);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(body["choices"][i]["index"], i);
    EXPECT_EQ(body["choices"][i]["text"], letters(1 + i / 3 + i % 3, 4));
  }
  EXPECT_EQ(body["usage"]["completion_tokens"], 24);
  EXPECT_EQ(body["usage"]["prompt_tokens"], 2);
}

TEST(Answer, StopStringsCancelTheRest) {
  Served served;
  const json body = json::parse(served.post(kText, R"({"prompt":[0],"max_tokens":4000,"n":2,"stop":["fgh"]})").body);
  EXPECT_EQ(body["choices"][0]["text"], "abcde");
  EXPECT_EQ(body["choices"][1]["text"], "bcde");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(body["choices"][0]["stop_reason"], "fgh");
  EXPECT_TRUE(eventually([&] { return served.backend.stats().running == 0; }));
  const Reply stream = served.post(kText, R"({"prompt":[0],"max_tokens":4000,"stop":["fgh"],"stream":true})");
  std::string text;
  for (const auto& event : stream.events())
    if (event != "[DONE]") text += json::parse(event)["choices"][0]["text"].get<std::string>();
  EXPECT_EQ(text, "abcde");
  EXPECT_EQ(stream.events().size(), 9u) << "a token whose text is withheld has its event, too";
}

TEST(Answer, StopTokensAndEos) {
  MockOptions mock;
  mock.eosAfter = 3;
  Served served(mock);
  json choice = json::parse(served.post(kChat, R"({"messages":[{"role":"user","content":"x"}]})").body)["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_TRUE(choice["stop_reason"].is_null());
  EXPECT_EQ(choice["message"]["content"].get<std::string>().size(), 3u);
  choice = json::parse(served.post(kText, R"({"prompt":[0],"stop_token_ids":[98]})").body)["choices"][0];
  EXPECT_EQ(choice["text"], "a");
  EXPECT_EQ(choice["stop_reason"], 98);
  choice = json::parse(served.post(kText, R"({"prompt":[0],"ignore_eos":true,"max_tokens":9})").body)["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "length");
}

TEST(Answer, EchoWithLogprobs) {
  Served served;
  const json scored =
      json::parse(served.post(kText, R"({"prompt":[97,98,99],"echo":true,"max_tokens":0,"logprobs":1})").body);
  EXPECT_EQ(scored["choices"][0]["text"], "abc");
  EXPECT_EQ(scored["choices"][0]["logprobs"]["token_logprobs"], json({nullptr, -1.5, -1.5}));
  EXPECT_EQ(scored["choices"][0]["logprobs"]["text_offset"], json({0, 1, 2}));
  EXPECT_EQ(scored["usage"]["completion_tokens"], 0);
  const Reply stream = served.post(kText, R"({"prompt":[97],"echo":true,"max_tokens":2,"stream":true})");
  EXPECT_EQ(json::parse(stream.events()[0])["choices"][0]["text"], "at") << "the first token is with the prompt";
  EXPECT_EQ(stream.events().size(), 3u);
}

TEST(Answer, AnEchoIsThePromptAsItWasSent) {
  Served served;
  const auto echoed = [&](const std::string& fields) {
    return json::parse(served.post(kText, R"({"echo":true,"logprobs":0,"max_tokens":1,)" + fields + "}").body)
        .at("choices")[0];
  };
  const std::string sent = "<|im_start|>hello<|im_end|>";
  for (const char* more : {"", R"(,"skip_special_tokens":false)"}) {
    const json choice = echoed(R"("prompt":")" + sent + '"' + more);
    EXPECT_EQ(choice["text"].get<std::string>().substr(0, sent.size()), sent);
    EXPECT_EQ(choice["text"].get<std::string>().size(), sent.size() + 1);
    EXPECT_EQ(choice["logprobs"]["tokens"][0], "<s>");
    EXPECT_EQ(choice["logprobs"]["text_offset"], json({0, 0, 12, 17, 27})) << "the BOS is not in the text";
  }
  EXPECT_EQ(echoed(R"("prompt":"hello<|im_end|>","truncate_prompt_tokens":1)")["text"].get<std::string>().substr(0, 10),
            "<|im_end|>")
      << "what was cut off is not echoed";
  const Reply stream = served.post(kText, R"({"prompt":"hello<|im_end|>","echo":true,"logprobs":0,"max_tokens":2,"n":2,
      "stream":true,"return_token_ids":true})");
  const json first = json::parse(stream.events()[0])["choices"][0];
  EXPECT_EQ(first["text"].get<std::string>().substr(0, 15), "hello<|im_end|>");
  EXPECT_EQ(first["text"].get<std::string>().size(), 16u);
  EXPECT_EQ(first["logprobs"]["tokens"].size(), 4u);
  EXPECT_EQ(first["prompt_token_ids"].size(), 3u);
  EXPECT_EQ(first["token_ids"].size(), 1u);
  EXPECT_EQ(stream.events().size(), 5u);
}

TEST(Answer, AnEchoOfAChatComesBeforeTheAnswer) {
  Served served;
  const std::string chat = R"({"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"Sure, "}],)"
                           R"("continue_final_message":true,"echo":true,"max_tokens":3)";
  const json whole = json::parse(served.post(kChat, chat + "}").body)["choices"][0]["message"];
  EXPECT_EQ(whole["role"], "assistant");
  EXPECT_EQ(whole["content"].get<std::string>().substr(0, 6), "Sure, ");
  EXPECT_EQ(whole["content"].get<std::string>().size(), 9u);
  std::string streamed;
  const auto events = served.post(kChat, chat + R"(,"stream":true})").events();
  ASSERT_EQ(events.size(), 5u);
  for (size_t i = 0; i < 4; ++i)
    streamed += json::parse(events[i])["choices"][0]["delta"]["content"].get<std::string>();
  EXPECT_EQ(streamed, whole["content"].get<std::string>());
}

TEST(Answer, TokensOfAnEventByTheInterval) {
  Served served;
  const Reply reply =
      served.post(kText, R"({"prompt":[3],"max_tokens":12,"stream":true,"stream_interval":4,"logprobs":0,
      "return_token_ids":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}})");
  const auto events = reply.events();
  ASSERT_EQ(events.size(), 6u);
  std::string text;
  size_t until = 0;
  const size_t sizes[] = {1, 4, 4, 3};
  for (size_t i = 0; i < 4; ++i) {
    const json event = json::parse(events[i]);
    const json& choice = event["choices"][0];
    text += choice["text"].get<std::string>();
    until += sizes[i];
    EXPECT_EQ(choice["token_ids"].size(), sizes[i]);
    EXPECT_EQ(choice["logprobs"]["tokens"].size(), sizes[i]);
    EXPECT_EQ(event["usage"]["completion_tokens"], until);
    EXPECT_EQ(choice["finish_reason"].is_null(), i < 3);
  }
  EXPECT_EQ(text, letters(3, 12));
}

TEST(Answer, EachEventCountsTheTokensOfItsChoice) {
  Served served;
  const Reply reply = served.post(kChat, R"({"messages":[{"role":"user","content":"x"}],"n":2,"max_tokens":3,
      "stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}})");
  std::map<int, int> made;
  const auto events = reply.events();
  ASSERT_EQ(events.size(), 10u);
  for (size_t i = 0; i < 8; ++i) {
    const json event = json::parse(events[i]);
    const json& choice = event["choices"][0];
    if (choice["delta"].contains("role"))
      EXPECT_EQ(event["usage"]["completion_tokens"], 0);
    else
      EXPECT_EQ(event["usage"]["completion_tokens"], ++made[choice["index"].get<int>()]);
  }
  EXPECT_EQ(made, (std::map<int, int>{{0, 3}, {1, 3}}));
  EXPECT_EQ(json::parse(events[8])["usage"]["completion_tokens"], 6) << "of all choices";
}

TEST(Answer, WhatTheKvCacheCannotHoldNamesTheField) {
  Served served;
  const Reply reply = served.post(kText, R"({"prompt":[1],"cache_salt":"mock:kv"})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(json::parse(reply.body)["error"]["param"], "max_tokens");
  EXPECT_EQ(json::parse(reply.body)["error"]["code"], "kv_capacity");
}

TEST(Answer, ChatLogprobsAndPromptLogprobs) {
  Served served;
  const json body = json::parse(served
                                    .post(kChat, R"({"messages":[{"role":"user","content":"x"}],"max_tokens":2,
      "logprobs":true,"top_logprobs":2,"prompt_logprobs":1,"cache_salt":"mock:cached@4"})")
                                    .body);
  EXPECT_EQ(body["choices"][0]["logprobs"]["content"].size(), 2u);
  EXPECT_EQ(body["choices"][0]["logprobs"]["content"][0]["top_logprobs"].size(), 2u);
  EXPECT_EQ(body["prompt_logprobs"].size(), body["usage"]["prompt_tokens"]);
  EXPECT_EQ(body["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
}

TEST(Answer, BestOfShowsTheLikeliest) {
  Served served;
  const json body = json::parse(served.post(kText, R"({"prompt":[[1],[9]],"n":2,"best_of":4,"max_tokens":3})").body);
  ASSERT_EQ(body["choices"].size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(body["choices"][i]["index"], i);
    EXPECT_EQ(body["choices"][i]["text"], letters((i < 2 ? 1 : 9) + 2 + i % 2, 3)) << "the mock's last are likeliest";
    EXPECT_TRUE(body["choices"][i]["logprobs"].is_null()) << "they were not asked for";
  }
  EXPECT_EQ(body["usage"]["completion_tokens"], 24) << "all that were made";
}

TEST(Answer, RepetitionsCancelTheRest) {
  Served served;
  const json body = json::parse(served
                                    .post(kText, R"({"prompt":[0],"max_tokens":4000,"allowed_token_ids":[104,105],
      "repetition_detection":{"max_pattern_size":4,"min_count":3}})")
                                    .body);
  EXPECT_EQ(body["choices"][0]["text"], "hihihi");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "repetition");
  EXPECT_EQ(body["choices"][0]["stop_reason"], "repetition_detected");
  EXPECT_TRUE(eventually([&] { return served.backend.stats().running == 0; }));
}

TEST(Answer, PromptTextAndLogprobsOfChosenIds) {
  Served served;
  const json body = json::parse(served
                                    .post(kChat, R"({"messages":[{"role":"user","content":"x"}],"max_tokens":1,
      "return_prompt_text":true,"logprobs":true,"logprob_token_ids":[65,66]})")
                                    .body);
  EXPECT_EQ(body["prompt_text"], "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n");
  const json& top = body["choices"][0]["logprobs"]["content"][0]["top_logprobs"];
  ASSERT_EQ(top.size(), 2u);
  EXPECT_EQ(top[0]["token"], "A");
  EXPECT_EQ(top[1]["logprob"], -3.0);
  const Reply stream = served.post(kChat, R"({"messages":[{"role":"user","content":"x"}],"max_tokens":1,"stream":true,
      "return_prompt_text":true})");
  EXPECT_EQ(json::parse(stream.events()[0])["prompt_text"], body["prompt_text"]);
}

TEST(Answer, ErrorsBeforeTheFirstTokenAreAnswers) {
  Served served;
  for (const auto& [salt, status, code] :
       {std::tuple{"mock:full", 429, "queue_full"}, std::tuple{"mock:kv", 400, "kv_capacity"},
        std::tuple{"mock:down", 503, "engine_unavailable"}, std::tuple{"mock:nan@0", 500, "internal_error"}}) {
    for (const char* stream : {"true", "false"}) {
      const Reply reply =
          served.post(kText, std::string(R"({"prompt":[0],"cache_salt":")") + salt + R"(","stream":)" + stream + "}");
      EXPECT_EQ(reply.status, status) << salt;
      EXPECT_EQ(json::parse(reply.body)["error"]["code"], code);
      EXPECT_EQ(reply.headers.contains("retry-after"), status == 429);
      EXPECT_EQ(reply.body.find("secret"), std::string::npos);
    }
  }
  EXPECT_EQ(served.post(kText, R"({"prompt":[0],"cache_salt":"mock:full@7"})").headers.at("retry-after"), "7");
  EXPECT_EQ(served.server->load(), 0u);
}

TEST(Answer, AnErrorInMidStreamIsOneEventAndNoDone) {
  Served served;
  Client client(served.server->port());
  client.send(postText(kText, R"({"prompt":[0],"max_tokens":9,"cache_salt":"mock:fail@3","stream":true})"));
  const auto events = client.read().events();
  ASSERT_EQ(events.size(), 4u);
  EXPECT_TRUE(json::parse(events[3]).contains("error"));
  EXPECT_TRUE(client.ended());
  const json aborted = json::parse(served.post(kText, R"({"prompt":[0],"cache_salt":"mock:abort@2"})").body);
  EXPECT_EQ(aborted["choices"][0]["finish_reason"], "abort");
  EXPECT_EQ(aborted["choices"][0]["text"], "ab");
}

TEST(Answer, EachApiHasItsEvents) {
  Served served;
  const std::string hello = R"("messages":[{"role":"user","content":"x"}])";
  const Reply message =
      served.post("/v1/messages", "{" + hello + R"(,"max_tokens":4,"stream":true})", "X-Request-Id: r\r\n");
  EXPECT_EQ(message.headers.at("request-id"), "r");
  auto events = message.events();
  ASSERT_EQ(events.size(), 10u);
  EXPECT_EQ(json::parse(events[0])["message"]["id"], "msg_r");
  EXPECT_EQ(json::parse(events[8])["usage"]["output_tokens"], 4);
  EXPECT_EQ(json::parse(events[9])["type"], "message_stop");
  events = served.post("/v1/responses", R"({"input":"x","max_output_tokens":4,"stream":true})").events();
  ASSERT_EQ(events.size(), 12u);
  EXPECT_EQ(json::parse(events[11])["response"]["usage"]["output_tokens"], 4);
}

TEST(Answer, EachApiEndsAStreamWithItsError) {
  Served served;
  const std::string salt = R"("stream":true,"cache_salt":"mock:nan@2",)";
  for (const auto& [path, body, at] :
       {std::tuple{"/v1/messages", R"("max_tokens":9,"messages":[{"role":"user","content":"x"}])", "/error/type"},
        std::tuple{"/v1/responses", R"("input":"x")", "/code"},
        std::tuple{kChat, R"("messages":[{"role":"user","content":"x"}])", "/error/code"}}) {
    Client client(served.server->port());
    client.send(postText(path, "{" + salt + body + "}"));
    const Reply reply = client.read();
    EXPECT_EQ(reply.status, 200);
    const json last = json::parse(reply.events().back());
    EXPECT_EQ(last.at(json::json_pointer(at)), path == std::string("/v1/messages") ? "api_error" : "internal_error");
    EXPECT_TRUE(client.ended());
  }
}

TEST(Answer, AMessageWithoutTokensFillsTheCache) {
  Served served;
  const json body =
      json::parse(served.post("/v1/messages", R"({"max_tokens":0,"messages":[{"role":"user","content":"x"}]})").body);
  EXPECT_EQ(body["content"][0]["text"], "");
  EXPECT_EQ(body["stop_reason"], "max_tokens");
  EXPECT_EQ(body["usage"]["output_tokens"], 0);
  EXPECT_GT(body["usage"]["input_tokens"], 0);
}

TEST(Answer, ADisconnectCancels) {
  MockOptions mock;
  mock.step = std::chrono::milliseconds(1);
  Served served(mock);
  for (const char* body : {R"({"prompt":[0],"max_tokens":4000,"stream":true})", R"({"prompt":[0],"max_tokens":4000})",
                           R"({"prompt":[0],"cache_salt":"mock:hang"})"}) {
    const uint64_t before = served.backend.cancelled();
    Client client(served.server->port());
    client.send(postText(kText, body));
    EXPECT_TRUE(eventually([&] { return served.backend.stats().running == 1; }));
    const auto left = std::chrono::steady_clock::now();
    client.close();
    EXPECT_TRUE(eventually([&] { return served.backend.cancelled() > before && served.backend.stats().running == 0; }));
    EXPECT_LT(std::chrono::steady_clock::now() - left, std::chrono::milliseconds(250)) << body;
  }
  EXPECT_EQ(served.server->load(), 0u);
  EXPECT_EQ(served.metric("vllm:request_success_total{engine=\"0\",model_name=\"mock\",finished_reason=\"abort\"}"), 3);
}

TEST(Answer, ASlowReaderIsPausedAndLosesNothing) {
  MockOptions mock;
  mock.context = 200'000;
  Served served(mock);
  Client client(served.server->port());
  client.send(postText(kText, R"({"prompt":[0],"max_tokens":60000,"stream":true,"ignore_eos":true})"));
  EXPECT_TRUE(eventually([&] { return served.backend.paused() > 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(served.backend.stats().running, 1u) << "paused, not cancelled";
  const auto events = client.read().events();
  ASSERT_EQ(events.size(), 60'001u);
  for (size_t i = 0; i < 60'000; i += 997)
    ASSERT_EQ(json::parse(events[i])["choices"][0]["text"], std::string(1, static_cast<char>('a' + i % 26)));
}

TEST(Answer, ManyPromptsWithOneBadStartNothing) {
  Served served;
  std::string prompts = "[[1]";
  for (int i = 0; i < 30; ++i) prompts += ",[1]";
  const Reply reply = served.post(kText, R"({"prompt":)" + prompts + R"(,[265]],"n":8,"stream":true})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(json::parse(reply.body)["error"]["param"], "prompt[31]");
  EXPECT_EQ(served.backend.submitted(), 0u);
}

TEST(Answer, TheSameIdTwiceIsServedTwice) {
  Served served;
  Client one(served.server->port()), two(served.server->port());
  for (Client* client : {&one, &two})
    client->send(postText(kText, R"({"prompt":[0],"max_tokens":50})", "X-Request-Id: same\r\n"));
  EXPECT_EQ(one.read().status, 200);
  EXPECT_EQ(two.read().status, 200);
}

TEST(Answer, NumbersThatAreNoneAreCountedAndWhoWasRefusedIsNot) {
  Served served;
  for (const char* command : {"mock:nan@1", "mock:fail@1", "mock:full", "mock:kv"})
    served.post("/v1/completions", R"({"prompt":[1],"max_tokens":4,"cache_salt":")" + std::string(command) + "\"}");
  EXPECT_EQ(served.metric("vllm:corrupted_requests_total"), 1);
  EXPECT_EQ(served.metric(R"(vllm:request_success_total{engine="0",model_name="mock",finished_reason="error"})"), 2);
  EXPECT_EQ(served.metric(R"(llmc:http_responses_total{handler="/v1/completions",method="POST",code="429"})"), 1);
}

}  // namespace
}  // namespace llmc::rt::server::test
