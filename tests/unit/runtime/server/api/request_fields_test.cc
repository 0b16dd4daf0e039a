// Shared fields have the same ranges and names in every API (rows RQ4 to RQ8, RQ16, RQ25 of the hostile table).
#include "runtime/server/api/request_fields.h"

#include <gtest/gtest.h>

namespace llmc::rt::server {
namespace {

constexpr Api kAll[] = {Api::kCompletions, Api::kChat, Api::kMessages, Api::kResponses};

std::string bodyOf(Api api, const std::string& fields) {
  switch (api) {
    case Api::kCompletions:
      return R"({"prompt":"hi","max_tokens":16,)" + fields + "}";
    case Api::kResponses:
      return R"({"input":"hi","max_output_tokens":16,)" + fields + "}";
    default:
      return R"({"max_tokens":16,"messages":[{"role":"user","content":"hi"}],)" + fields + "}";
  }
}

ApiFault read(Api api, const std::string& fields, GenerateRequest& out) {
  Json json;
  if (ApiFault fault = parseBody(bodyOf(api, fields), json)) return fault;
  ModelFacts facts;
  facts.names = {"m"};
  facts.context = 100;
  facts.vocabulary = 265;
  facts.priorities = true;
  return readGenerateRequest(json, api, facts, out);
}

struct BadField {
  const char* fields;
  const char* param;
};

constexpr BadField kBadFields[] = {
    {R"("temperature":-1)", "temperature"},
    {R"("temperature":"hot")", "temperature"},
    {R"("top_p":0)", "top_p"},
    {R"("top_p":1.1)", "top_p"},
    {R"("top_k":-2)", "top_k"},
    {R"("top_k":2.5)", "top_k"},
    {R"("min_p":2)", "min_p"},
    {R"("presence_penalty":1e9)", "presence_penalty"},
    {R"("frequency_penalty":-1e9)", "frequency_penalty"},
    {R"("repetition_penalty":0)", "repetition_penalty"},
    {R"("seed":18446744073709551616)", "seed"},
    {R"("seed":9223372036854775808)", "seed"},
    {R"("seed":1.5)", "seed"},
    {R"("logit_bias":{"265":1})", "logit_bias"},
    {R"("logit_bias":{"-1":1})", "logit_bias"},
    {R"("logit_bias":{"x":1})", "logit_bias"},
    {R"("logit_bias":{"1":1e9})", "logit_bias"},
    {R"("logit_bias":[1])", "logit_bias"},
    {R"("allowed_token_ids":[])", "allowed_token_ids"},
    {R"("allowed_token_ids":[265])", "allowed_token_ids"},
    {R"("bad_words":[""])", "bad_words"},
    {R"("bad_words":"a")", "bad_words"},
    {R"("stop_token_ids":[-1])", "stop_token_ids"},
    {R"("ignore_eos":1)", "ignore_eos"},
    {R"("min_tokens":-1)", "min_tokens"},
    {R"("min_tokens":17)", "min_tokens"},
    {R"("stream":"yes")", "stream"},
    {R"("cache_salt":"")", "cache_salt"},
    {R"("cache_salt":7)", "cache_salt"},
    {R"("cache_salt":"a\nb")", "cache_salt"},
    {R"("user":"a\u0000b")", "user"},
    {R"("prompt_cache_key":"\u007f")", "prompt_cache_key"},
    {R"("user":7)", "user"},
    {R"("priority":"high")", "priority"},
    {R"("truncate_prompt_tokens":0)", "truncate_prompt_tokens"},
    {R"("truncate_prompt_tokens":-2)", "truncate_prompt_tokens"},
    {R"("truncate_prompt_tokens":101)", "truncate_prompt_tokens"},
    {R"("request_id":"a b")", "request_id"},
    {R"("request_id":"")", "request_id"},
    {R"("request_id":7)", "request_id"},
    {R"("truncation_side":"up")", "truncation_side"},
};

TEST(RequestFields, EachBadValueNamesItsFieldInEveryApi) {
  for (const Api api : kAll)
    for (const auto& [fields, param] : kBadFields) {
      GenerateRequest out;
      const ApiFault fault = read(api, fields, out);
      ASSERT_TRUE(fault) << fields;
      EXPECT_EQ(fault->status, 400) << fields;
      EXPECT_EQ(fault->param, param) << fields;
      EXPECT_EQ(fault->code, "invalid_value") << fields;
      EXPECT_EQ(fault->type(), "invalid_request_error") << fields;
      EXPECT_NE(fault->message.find(param), std::string::npos) << fault->message;
    }
}

TEST(RequestFields, StopStringsByTheirApisName) {
  for (const Api api : kAll) {
    const std::string name = api == Api::kMessages ? "stop_sequences" : "stop";
    GenerateRequest out;
    EXPECT_FALSE(read(api, "\"" + name + "\":[\"a\",\"b\"]", out));
    EXPECT_EQ(out.stops, (std::vector<std::string>{"a", "b"}));
    std::string many = "[\"a\"";
    for (int i = 0; i < 16; ++i) many += ",\"a\"";
    for (const std::string& bad : {many + "]", std::string("[\"\"]"), std::string("\"\""), std::string("5"),
                                   "\"" + std::string(1 << 20, 's') + "\""}) {
      const ApiFault fault = read(api, "\"" + name + "\":" + bad, out);
      ASSERT_TRUE(fault) << bad.substr(0, 80);
      EXPECT_EQ(fault->param, name);
    }
  }
}

TEST(RequestFields, VllmsFieldsArriveInEveryApi) {
  for (const Api api : kAll) {
    GenerateRequest out;
    EXPECT_FALSE(read(
        api,
        R"("ignore_eos":true,"min_p":0.25,"seed":7,"min_tokens":3,"cache_salt":"s","priority":-9223372036854775808)",
        out));
    EXPECT_TRUE(out.ignoreEos && out.seedGiven);
    EXPECT_EQ(out.sampling.minP, 0.25);
    EXPECT_EQ(out.sampling.seed, 7u);
    EXPECT_EQ(out.sampling.minTokens, 3u);
    EXPECT_EQ(out.cacheSalt, "s");
    EXPECT_EQ(out.priority, INT64_MIN);
    EXPECT_EQ(out.maxTokens, 16u);
  }
}

TEST(RequestFields, ValuesAtTheEdges) {
  for (const Api api : kAll) {
    GenerateRequest out;
    EXPECT_FALSE(read(api, R"("top_k":1000000000000,"seed":-9223372036854775808,"truncate_prompt_tokens":100,
                           "request_id":"job-7.2:x_")",
                      out));
    EXPECT_EQ(out.sampling.topK, 265) << "there are no more tokens";
    EXPECT_EQ(out.sampling.seed, uint64_t{1} << 63);
    EXPECT_EQ(out.truncatePrompt, 100);
    EXPECT_EQ(out.requestId, "job-7.2:x_");
    GenerateRequest other;
    EXPECT_FALSE(read(api, R"("top_k":-1,"seed":9223372036854775807)", other));
    EXPECT_EQ(other.sampling.topK, -1);
  }
}

TEST(RequestFields, PriorityNeedsAServerThatHeedsIt) {
  for (const Api api : kAll) {
    Json json;
    ASSERT_FALSE(parseBody(bodyOf(api, R"("priority":3)"), json));
    ModelFacts facts;
    facts.names = {"m"};
    facts.context = 100;
    facts.vocabulary = 265;
    GenerateRequest out;
    const ApiFault fault = readGenerateRequest(json, api, facts, out);
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->param, "priority");
    EXPECT_NE(fault->message.find("--policy priority"), std::string::npos);
    ASSERT_FALSE(parseBody(bodyOf(api, R"("priority":0)"), json));
    GenerateRequest neutral;
    EXPECT_FALSE(readGenerateRequest(json, api, facts, neutral));
  }
}

TEST(RequestFields, StructureIsRefusedEvenWhereItIsEmpty) {
  for (const Api api : kAll)
    for (const char* fields : {R"("guided_json":{})", R"("guided_choice":[])", R"("structured_outputs":{})",
                               R"("guided_regex":"")", R"("json_schema":false)"}) {
      GenerateRequest out;
      const ApiFault fault = read(api, fields, out);
      ASSERT_TRUE(fault) << fields;
      EXPECT_EQ(fault->code, "unsupported_parameter") << fields;
      GenerateRequest neutral;
      EXPECT_FALSE(read(api, R"("guided_json":null)", neutral));
    }
}

TEST(RequestFields, TooManyBiasesAreRefused) {
  std::string map = "\"logit_bias\":{";
  for (int i = 0; i < 1025; ++i) map += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":0";
  for (const Api api : kAll) {
    GenerateRequest out;
    const ApiFault fault = read(api, map + "}", out);
    EXPECT_EQ(fault->code, "invalid_value");
    EXPECT_EQ(fault->param, "logit_bias");
  }
}

TEST(RequestFields, TemplateVariables) {
  Json json;
  ASSERT_FALSE(parseBody(R"({"chat_template_kwargs":{"x":1}})", json));
  FieldReader fields(json);
  ChatFields chat;
  const Json effort = "low";
  readTemplateVariables(fields, {&effort}, chat);
  EXPECT_EQ(chat.variables, R"({"x":1,"reasoning_effort":"low","enable_thinking":true})");
  for (const Json& wrong : {Json(7), Json(""), Json("ultra"), Json("High")}) {
    FieldReader again(json);
    readTemplateVariables(again, {&wrong, "reasoning.effort"}, chat);
    ASSERT_TRUE(again.fault()) << wrong;
    EXPECT_EQ(again.fault()->param, "reasoning.effort");
    EXPECT_EQ(again.fault()->message, "'reasoning.effort' must be none, minimal, low, medium, high, xhigh or max");
  }
}

TEST(RequestFields, AModelThatIsToldNotToThinkDoesNot) {
  const auto variables = [](const char* body, const Json& level) {
    Json json;
    EXPECT_FALSE(parseBody(body, json));
    FieldReader fields(json);
    ChatFields chat;
    readTemplateVariables(fields, {.value = &level, .off = true}, chat);
    return chat.variables;
  };
  EXPECT_EQ(variables("{}", nullptr), R"({"enable_thinking":false})");
  EXPECT_EQ(variables("{}", "high"), R"({"enable_thinking":false,"reasoning_effort":"high"})");
  EXPECT_EQ(variables(R"({"chat_template_kwargs":{"enable_thinking":true}})", nullptr), R"({"enable_thinking":true})");
}

TEST(RequestFields, EventsOfSeveralTokensInEveryApi) {
  for (const Api api : kAll) {
    GenerateRequest out;
    EXPECT_FALSE(read(api, R"("stream":true,"stream_interval":7)", out));
    EXPECT_EQ(out.streamInterval, 7u);
    EXPECT_TRUE(out.stream);
    GenerateRequest refused;
    EXPECT_EQ(read(api, R"("stream_interval":0)", refused)->param, "stream_interval");
  }
}

}  // namespace
}  // namespace llmc::rt::server
