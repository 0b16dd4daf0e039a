// What /v1/messages and /v1/responses do not heed is refused, not dropped.
#include "runtime/server/api/foreign_fields.h"

#include <gtest/gtest.h>

namespace llmc::rt::server {
namespace {

ApiFault refused(Api api, const std::string& fields) {
  Json json;
  if (ApiFault fault = parseBody("{" + fields + "}", json)) return fault;
  FieldReader reader(json);
  refuseForeign(reader, api);
  return reader.fault();
}

TEST(ForeignFields, WhatWouldChangeTheAnswerIsRefusedByName) {
  for (const Api api : {Api::kMessages, Api::kResponses})
    for (const char* fields :
         {R"("use_beam_search":true)", R"("length_penalty":2)", R"("n":2)", R"("best_of":3)", R"("echo":true)",
          R"("prompt_logprobs":0)", R"("logprob_token_ids":[1])", R"("repetition_detection":{"min_count":2})",
          R"("return_token_ids":true)", R"("add_generation_prompt":false)", R"("continue_final_message":true)",
          R"("thinking_token_budget":5)", R"("chat_template":"x")", R"("response_format":{"type":"json_object"})",
          R"("functions":[{}])", R"("vllm_xargs":{"a":1})", R"("logprobs":true)"}) {
      const ApiFault fault = refused(api, fields);
      ASSERT_TRUE(fault) << fields;
      EXPECT_EQ(fault->status, 400);
      EXPECT_EQ(fault->code, "unsupported_parameter");
      EXPECT_EQ(fault->param, std::string(fields).substr(1, std::string(fields).find('"', 1) - 1));
    }
  EXPECT_EQ(refused(Api::kMessages, R"("use_beam_search":true)")->message,
            "'use_beam_search' is not supported on /v1/messages; leave it out");
}

TEST(ForeignFields, WhatMeansNothingIsTaken) {
  for (const Api api : {Api::kMessages, Api::kResponses})
    EXPECT_FALSE(
        refused(api, R"("use_beam_search":false,"length_penalty":1.0,"n":1,"best_of":null,"top_logprobs":0,"echo":false,
      "logprobs":false,"add_generation_prompt":true,"response_format":{"type":"text"},"modalities":["text"],
      "functions":[],"suffix":"","of_a_later_version":true)"));
}

TEST(ForeignFields, OtherNamesAreTold) {
  struct Case {
    Api api;
    const char* fields;
    const char* message;
  };
  const Case cases[] = {
      {Api::kResponses, R"("max_tokens":5)", "'max_tokens' is 'max_output_tokens' on /v1/responses"},
      {Api::kResponses, R"("reasoning_effort":"low")", "'reasoning_effort' is 'reasoning.effort' on /v1/responses"},
      {Api::kResponses, R"("logprobs":true)",
       "'logprobs' is 'include: [\"message.output_text.logprobs\"]' on /v1/responses"},
      {Api::kMessages, R"("stop":["a"])", "'stop' is 'stop_sequences' on /v1/messages"},
      {Api::kMessages, R"("max_completion_tokens":5)", "'max_completion_tokens' is 'max_tokens' on /v1/messages"},
  };
  for (const auto& [api, fields, message] : cases) {
    const ApiFault fault = refused(api, fields);
    ASSERT_TRUE(fault) << fields;
    EXPECT_EQ(fault->message, message);
  }
  EXPECT_FALSE(refused(Api::kMessages, R"("max_tokens":5,"stop_sequences":["a"])"));
  EXPECT_FALSE(refused(Api::kResponses, R"("max_output_tokens":5,"stop":["a"],"top_logprobs":2)"));
  EXPECT_EQ(refused(Api::kMessages, R"("top_logprobs":2)")->param, "top_logprobs");
}

}  // namespace
}  // namespace llmc::rt::server
