// Fields of /v1/responses: what arrives, what the answer repeats, what is refused and by which name.
#include <gtest/gtest.h>

#include "runtime/server/api/generate_request.h"

namespace llmc::rt::server {
namespace {

ApiFault read(const std::string& fields, GenerateRequest& out) {
  Json json;
  if (ApiFault fault = parseBody("{" + fields + "}", json)) return fault;
  ModelFacts facts;
  facts.names = {"m"};
  facts.context = 100;
  facts.vocabulary = 265;
  return readGenerateRequest(json, Api::kResponses, facts, out);
}

GenerateRequest readOk(const std::string& fields) {
  GenerateRequest out;
  const ApiFault fault = read(fields, out);
  EXPECT_FALSE(fault) << fields << ": " << fault->message;
  return out;
}

TEST(ResponsesRequest, EachFieldArrives) {
  const GenerateRequest r = readOk(R"("input":"hi","instructions":"be \"kind\"","max_output_tokens":9,"temperature":0.5,
    "top_p":0.25,"stream":true,"store":false,"metadata":{"a":"b"},"text":{"format":{"type":"text"},"verbosity":"low"},
    "include":["message.output_text.logprobs"],"top_logprobs":3,"tools":[],"tool_choice":"none","truncation":"disabled",
    "reasoning":{"effort":"low","summary":"auto"},"user":"u","previous_response_id":null,"background":false)");
  EXPECT_EQ(r.messages.messages, R"([{"role":"system","content":"be \"kind\""},{"role":"user","content":"hi"}])");
  EXPECT_EQ(r.messages.variables, R"({"reasoning_effort":"low","enable_thinking":true})");
  EXPECT_EQ(r.maxTokens, 9u);
  EXPECT_EQ(r.sampling.logprobs, 3);
  EXPECT_TRUE(r.stream);
  const Json said = Json::parse("{" + r.repeatedFields + "}");
  EXPECT_EQ(said["instructions"], "be \"kind\"");
  EXPECT_EQ(said["max_output_tokens"], 9);
  EXPECT_EQ(said["metadata"], Json::object({{"a", "b"}}));
  EXPECT_EQ(said["temperature"], 0.5);
  EXPECT_EQ(said["top_p"], 0.25);
  EXPECT_EQ(said["top_logprobs"], 3);
  EXPECT_EQ(said["reasoning"]["effort"], "low");
  EXPECT_EQ(said["tool_choice"], "none");
  EXPECT_EQ(said["user"], "u");
}

TEST(ResponsesRequest, WhatIsLeftOutIsSaidAsNull) {
  const GenerateRequest r = readOk(R"("input":"hi")");
  EXPECT_FALSE(r.maxTokens);
  EXPECT_EQ(r.sampling.logprobs, -1);
  const Json said = Json::parse("{" + r.repeatedFields + "}");
  EXPECT_TRUE(said["instructions"].is_null() && said["max_output_tokens"].is_null() && said["user"].is_null());
  EXPECT_EQ(said["tool_choice"], "auto");
}

TEST(ResponsesRequest, InputsOfEveryShape) {
  const GenerateRequest r = readOk(R"("input":[{"role":"developer","content":"d"},
    {"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]},
    {"id":"msg_1","type":"message","role":"assistant","status":"completed",
     "content":[{"type":"output_text","text":"c","annotations":[],"logprobs":[]}]},
    {"type":"input_text","text":"e"}])");
  EXPECT_EQ(r.messages.messages, R"([{"role":"developer","content":"d"},{"role":"user","content":"a\nb"},)"
                                 R"({"role":"assistant","content":"c"},{"role":"user","content":"e"}])");
  EXPECT_FALSE(r.messages.continueFinal);
}

TEST(ResponsesRequest, WhatCannotBeIsRefusedByName) {
  struct Case {
    std::string fields;
    const char* param;
    const char* code = "invalid_value";
  };
  const std::string hi = R"("input":"hi",)";
  const Case cases[] = {
      {R"("model":"m")", "input"},
      {R"("input":"")", "input"},
      {R"("input":[])", "input"},
      {R"("input":7)", "input"},
      {R"("input":[7])", "input[0]"},
      {R"("input":[{"role":"wizard","content":"a"}])", "input[0].role"},
      {R"("input":[{"role":"user","content":[{"type":"input_image","image_url":"http://x"}]}])", "input[0].content[0]",
       "unsupported_content"},
      {R"("input":[{"role":"user","content":["a"]}])", "input[0].content[0]"},
      {R"("input":[{"role":"user","content":[{"type":"input_text","text":5}]}])", "input[0].content[0].text"},
      {R"("input":[{"type":"function_call_output","call_id":"c","output":"o"}])", "input[0]", "unsupported_content"},
      {R"("input":[{"type":"item_reference","id":"msg_1"}])", "input[0]", "unsupported_content"},
      {hi + R"("store":true)", "store", "unsupported_parameter"},
      {hi + R"("previous_response_id":"resp_1")", "previous_response_id", "unsupported_parameter"},
      {hi + R"("conversation":"conv_1")", "conversation", "unsupported_parameter"},
      {hi + R"("background":true)", "background", "unsupported_parameter"},
      {hi + R"("tools":[{"type":"web_search"}])", "tools", "unsupported_parameter"},
      {hi + R"("tool_choice":"required")", "tool_choice", "unsupported_parameter"},
      {hi + R"("prompt":{"id":"p"})", "prompt", "unsupported_parameter"},
      {hi + R"("truncation":"auto")", "truncation", "unsupported_parameter"},
      {hi + R"("text":{"format":{"type":"json_schema"}})", "text.format", "unsupported_parameter"},
      {hi + R"("text":{"format":"text"})", "text.format"},
      {hi + R"("text":"text")", "text"},
      {hi + R"("max_output_tokens":0)", "max_output_tokens"},
      {hi + R"("top_logprobs":21)", "top_logprobs"},
      {hi + R"("include":7)", "include"},
      {hi + R"("include":"message.output_text.logprobs")", "include"},
      {hi + R"("include":["thoughts"])", "include"},
      {hi + R"("instructions":7)", "instructions"},
      {hi + R"("metadata":[])", "metadata"},
      {hi + R"("metadata":{"a":1})", "metadata"},
      {hi + R"("metadata":{"a":")" + std::string(513, 'v') + "\"}", "metadata"},
      {hi + R"("reasoning":"high")", "reasoning"},
      {hi + R"("reasoning":{"effort":"ultra"})", "reasoning.effort"},
      {hi + R"("reasoning":{"effort":""})", "reasoning.effort"},
      {hi + R"("previous_input_messages":[{}])", "previous_input_messages", "unsupported_parameter"},
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

}  // namespace
}  // namespace llmc::rt::server
