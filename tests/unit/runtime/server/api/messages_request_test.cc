// Anthropic's fields: what arrives, what is refused and by which name.
#include <gtest/gtest.h>

#include "runtime/server/api/generate_request.h"

namespace llmc::rt::server {
namespace {

const std::string kHello = R"("messages":[{"role":"user","content":"hi"}])";

ModelFacts facts() {
  ModelFacts out;
  out.names = {"m"};
  out.context = 100;
  out.vocabulary = 265;
  return out;
}

ApiFault read(const std::string& fields, GenerateRequest& out) {
  Json json;
  if (ApiFault fault = parseBody("{" + fields + "}", json)) return fault;
  return readGenerateRequest(json, Api::kMessages, facts(), out);
}

std::string messagesOf(const std::string& fields) {
  GenerateRequest out;
  const ApiFault fault = read(R"("max_tokens":5,)" + fields, out);
  EXPECT_FALSE(fault) << fields << ": " << fault->message;
  return out.messages.messages;
}

TEST(MessagesRequest, EachFieldArrives) {
  GenerateRequest out;
  ASSERT_FALSE(read(kHello + R"(,"max_tokens":7,"stop_sequences":["a","b"],"temperature":0.5,"top_p":0.9,"top_k":5,
    "stream":true,"metadata":{"user_id":"u"},"service_tier":"auto","thinking":{"type":"disabled"},"tools":[],
    "tool_choice":{"type":"auto"},"output_config":{"effort":"low"})",
                    out));
  EXPECT_EQ(out.maxTokens, 7u);
  EXPECT_EQ(out.stops, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(out.sampling.temperature, 0.5);
  EXPECT_EQ(out.sampling.topP, 0.9);
  EXPECT_EQ(out.sampling.topK, 5);
  EXPECT_TRUE(out.stream && out.chat());
  EXPECT_TRUE(out.messages.addGenerationPrompt);
  EXPECT_EQ(out.messages.variables, R"({"enable_thinking":false,"reasoning_effort":"low"})");
  GenerateRequest thinking;
  ASSERT_FALSE(read(kHello + R"(,"max_tokens":7,"output_config":{"effort":"max"})", thinking));
  EXPECT_EQ(thinking.messages.variables, R"({"reasoning_effort":"max","enable_thinking":true})");
}

TEST(MessagesRequest, TextsAndBlocks) {
  EXPECT_EQ(messagesOf(kHello), R"([{"role":"user","content":"hi"}])");
  EXPECT_EQ(messagesOf(R"("system":"s","messages":[{"role":"user","content":[{"type":"text","text":"a"},
    {"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]}])"),
            R"([{"role":"system","content":"s"},{"role":"user","content":"a\nb"}])");
  EXPECT_EQ(messagesOf(R"("system":[{"type":"text","text":"s"},{"type":"text","text":"t"}],)" + kHello),
            R"([{"role":"system","content":"s\nt"},{"role":"user","content":"hi"}])");
  EXPECT_EQ(messagesOf(R"("system":"",)" + kHello), R"([{"role":"user","content":"hi"}])");
}

TEST(MessagesRequest, TurnsOfOneRoleAreOneTurn) {
  EXPECT_EQ(messagesOf(R"("messages":[{"role":"user","content":"a"},{"role":"user","content":"b"},
    {"role":"assistant","content":"c"},{"role":"user","content":"d"}])"),
            R"([{"role":"user","content":"a\nb"},{"role":"assistant","content":"c"},{"role":"user","content":"d"}])");
}

TEST(MessagesRequest, AnAnswerAtTheEndIsGoneOnWith) {
  GenerateRequest out;
  ASSERT_FALSE(
      read(R"("max_tokens":0,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"Sure"}])", out));
  EXPECT_TRUE(out.messages.continueFinal);
  EXPECT_FALSE(out.messages.addGenerationPrompt);
  EXPECT_EQ(out.messages.lastContent, "Sure");
  EXPECT_EQ(out.maxTokens, 0u) << "fills the cache only";
}

TEST(MessagesRequest, WhatCannotBeIsRefusedByName) {
  struct Case {
    std::string fields;
    const char* param;
    const char* code = "invalid_value";
  };
  const std::string image = R"({"type":"image","source":{"type":"url","url":"http://x"}})";
  const Case cases[] = {
      {kHello, "max_tokens"},
      {kHello + R"(,"max_tokens":-1)", "max_tokens"},
      {kHello + R"(,"max_tokens":"5")", "max_tokens"},
      {R"("max_tokens":5)", "messages"},
      {R"("max_tokens":5,"messages":[])", "messages"},
      {R"("max_tokens":5,"messages":[{"role":"system","content":"a"}])", "messages[0].role"},
      {R"("max_tokens":5,"messages":[{"role":"user"}])", "messages[0].content"},
      {R"("max_tokens":5,"messages":[{"role":"user","content":[{"text":"a"}]}])", "messages[0].content[0]"},
      {R"("max_tokens":5,"messages":[{"role":"user","content":[)" + image + "]}]", "messages[0].content[0]",
       "unsupported_content"},
      {R"("max_tokens":5,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}])",
       "messages[0].content[0]", "unsupported_content"},
      {kHello + R"(,"max_tokens":5,"system":7)", "system"},
      {kHello + R"(,"max_tokens":5,"system":[)" + image + "]", "system[0]", "unsupported_content"},
      {kHello + R"(,"max_tokens":5,"tools":[{"name":"f","input_schema":{}}])", "tools", "unsupported_parameter"},
      {kHello + R"(,"max_tokens":5,"tool_choice":{"type":"any"})", "tool_choice", "unsupported_parameter"},
      {kHello + R"(,"max_tokens":5,"thinking":{"type":"enabled","budget_tokens":1024})", "thinking",
       "unsupported_parameter"},
      {kHello + R"(,"max_tokens":5,"thinking":true)", "thinking", "unsupported_parameter"},
      {kHello + R"(,"max_tokens":5,"mcp_servers":[{}])", "mcp_servers", "unsupported_parameter"},
      {kHello + R"(,"max_tokens":5,"output_config":{"format":{"type":"json_schema"}})", "output_config.format",
       "unsupported_parameter"},
      {kHello + R"(,"max_tokens":5,"output_config":"low")", "output_config"},
      {kHello + R"(,"max_tokens":5,"output_config":{"effort":"ultra"})", "output_config.effort"},
  };
  for (const auto& [fields, param, code] : cases) {
    GenerateRequest out;
    const ApiFault fault = read(fields, out);
    ASSERT_TRUE(fault) << fields;
    EXPECT_EQ(fault->status, 400);
    EXPECT_EQ(fault->param, param) << fields;
    EXPECT_EQ(fault->code, code) << fields;
  }
}

TEST(MessagesRequest, CountingNeedsNoLength) {
  Json json;
  ASSERT_FALSE(parseBody("{" + kHello + R"(,"system":"s"})", json));
  ChatFields chat;
  EXPECT_FALSE(readCountRequest(json, facts(), chat));
  EXPECT_EQ(chat.messages, R"([{"role":"system","content":"s"},{"role":"user","content":"hi"}])");
  ASSERT_FALSE(parseBody("{" + kHello + R"(,"tools":[{}]})", json));
  EXPECT_EQ(readCountRequest(json, facts(), chat)->param, "tools");
}

}  // namespace
}  // namespace llmc::rt::server
