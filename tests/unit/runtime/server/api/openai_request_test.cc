// Every field: where it goes, its range, and the name in the error (rows RQ1 to RQ25 of the hostile table).
#include "runtime/server/api/generate_request.h"

#include <gtest/gtest.h>

namespace llmc::rt::server {
namespace {

ModelFacts facts() {
  ModelFacts out;
  out.names = {"m", "alias"};
  out.context = 100;
  out.vocabulary = 265;
  out.eosIds = {262};
  out.defaults.temperature = 0.6;
  out.priorities = true;
  return out;
}

ApiFault readFault(const std::string& fields, bool chat, GenerateRequest& out) {
  const std::string prompt = chat ? R"("messages":[{"role":"user","content":"hi"}])" : R"("prompt":"hi")";
  Json json;
  if (ApiFault fault = parseBody("{" + prompt + (fields.empty() ? "" : ",") + fields + "}", json)) return fault;
  return readGenerateRequest(json, chat ? Api::kChat : Api::kCompletions, facts(), out);
}

GenerateRequest readOk(const std::string& fields, bool chat = false) {
  GenerateRequest out;
  const ApiFault fault = readFault(fields, chat, out);
  EXPECT_FALSE(fault) << fields << ": " << fault->message;
  return out;
}

TEST(OpenAiRequest, DefaultsAreTheModelsAndTheApis) {
  const GenerateRequest text = readOk("");
  EXPECT_EQ(text.model, "m");
  EXPECT_EQ(text.sampling.temperature, 0.6);
  EXPECT_EQ(text.maxTokens, 16u);
  EXPECT_EQ(text.sampling.logprobs, -1);
  EXPECT_FALSE(readOk("", true).maxTokens);
}

TEST(OpenAiRequest, EachFieldArrives) {
  const GenerateRequest r = readOk(
      R"("model":"alias","temperature":0,"top_p":0.5,"top_k":7,"min_p":0.1,"typical_p":0.9,"repetition_penalty":1.1,
      "presence_penalty":-2,"frequency_penalty":2,"seed":-1,"logit_bias":{"3":-100,"264":1.5},"allowed_token_ids":[1,2],
      "bad_words":["a","b"],"stop":"x","stop_token_ids":[9],"ignore_eos":true,"include_stop_str_in_output":true,
      "skip_special_tokens":false,"max_tokens":9,"min_tokens":9,"n":8,"best_of":8,"echo":true,"stream":true,
      "stream_options":{"include_usage":true,"continuous_usage_stats":true},"return_token_ids":true,
      "return_tokens_as_token_ids":true,"priority":-5,"cache_salt":"s","truncate_prompt_tokens":-1,
      "truncation_side":"right","add_special_tokens":false,"user":"u","unknown_field":{"a":1},"tools":null,"suffix":"",
      "spaces_between_special_tokens":true,"response_format":{"type":"text"},"use_beam_search":false)");
  EXPECT_EQ(r.model, "m") << "whatever name asked for it";
  EXPECT_TRUE(r.sampling.greedy());
  EXPECT_EQ(r.sampling.topP, 0.5);
  EXPECT_EQ(r.sampling.topK, 7);
  EXPECT_EQ(r.sampling.minP, 0.1);
  EXPECT_EQ(r.sampling.typicalP, 0.9);
  EXPECT_EQ(r.sampling.repetitionPenalty, 1.1);
  EXPECT_EQ(r.sampling.presencePenalty, -2);
  EXPECT_EQ(r.sampling.frequencyPenalty, 2);
  EXPECT_EQ(r.sampling.seed, UINT64_MAX);
  EXPECT_TRUE(r.seedGiven);
  EXPECT_EQ(r.sampling.logitBias, (std::vector<std::pair<int32_t, float>>{{3, -100.0f}, {264, 1.5f}}));
  EXPECT_EQ(r.sampling.allowedIds, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(r.badWords, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(r.stops, std::vector<std::string>{"x"});
  EXPECT_EQ(r.stopTokenIds, std::vector<int32_t>{9});
  EXPECT_TRUE(r.ignoreEos && r.includeStop && !r.skipSpecialTokens);
  EXPECT_EQ(r.maxTokens, 9u);
  EXPECT_EQ(r.sampling.minTokens, 9u);
  EXPECT_EQ(r.choices, 8u);
  EXPECT_TRUE(r.echo && r.stream && r.includeUsage && r.continuousUsage && r.returnTokenIds && r.tokensAsIds);
  EXPECT_EQ(r.priority, -5);
  EXPECT_EQ(r.cacheSalt, "s");
  EXPECT_EQ(r.truncatePrompt, -1);
  EXPECT_TRUE(r.truncateRight && !r.addSpecialTokens);
}

TEST(OpenAiRequest, ChatFieldsArrive) {
  const GenerateRequest r =
      readOk(R"("logprobs":true,"top_logprobs":20,"max_completion_tokens":5,"max_tokens":7,"prompt_logprobs":0,
             "add_generation_prompt":false,"chat_template_kwargs":{"x":1},"reasoning_effort":"low")",
             true);
  EXPECT_EQ(r.sampling.logprobs, 20);
  EXPECT_EQ(r.maxTokens, 5u);
  EXPECT_EQ(r.promptLogprobs, 0);
  EXPECT_FALSE(r.messages.addGenerationPrompt);
  EXPECT_EQ(r.messages.variables, R"({"x":1,"reasoning_effort":"low","enable_thinking":true})");
  EXPECT_EQ(r.messages.messages, R"([{"role":"user","content":"hi"}])");
}

struct BadField {
  const char* fields;
  const char* param;
};

/// Fields of this API alone; those that all APIs share are in request_fields_test.cc.
constexpr BadField kBadFields[] = {
    {R"("n":0)", "n"},
    {R"("n":-1)", "n"},
    {R"("n":2.5)", "n"},
    {R"("n":"2")", "n"},
    {R"("n":1000000000)", "n"},
    {R"("best_of":0)", "best_of"},
    {R"("n":2,"best_of":1)", "best_of"},
    {R"("best_of":2,"stream":true)", "best_of"},
    {R"("best_of":129)", "best_of"},
    {R"("n":129)", "n"},
    {R"("logprob_token_ids":[1])", "logprob_token_ids"},
    {R"("logprob_token_ids":[],"logprobs":0)", "logprob_token_ids"},
    {R"("logprob_token_ids":[265],"logprobs":0)", "logprob_token_ids"},
    {R"("repetition_detection":3)", "repetition_detection"},
    {R"("repetition_detection":{"max_pattern_size":2,"min_pattern_size":3,"min_count":2})", "repetition_detection"},
    {R"("repetition_detection":{"max_pattern_size":2,"min_count":1})", "repetition_detection"},
    {R"("repetition_detection":{"max_pattern_size":100,"min_count":100})", "repetition_detection"},
    {R"("repetition_detection":{"max_pattern_size":-1})", "repetition_detection.max_pattern_size"},
    {R"("return_prompt_text":1)", "return_prompt_text"},
    {R"("return_token_offsets":"yes")", "return_token_offsets"},
    {R"("spaces_between_special_tokens":0)", "spaces_between_special_tokens"},
    {R"("best_of":1e9)", "best_of"},
    {R"("logprobs":-1)", "logprobs"},
    {R"("logprobs":21)", "logprobs"},
    {R"("logprobs":1000000)", "logprobs"},
    {R"("logprobs":true)", "logprobs"},
    {R"("prompt_logprobs":21)", "prompt_logprobs"},
    {R"("prompt_logprobs":-1)", "prompt_logprobs"},
    {R"("prompt_logprobs":1,"stream":true)", "prompt_logprobs"},
    {R"("max_tokens":0)", "max_tokens"},
    {R"("max_tokens":-1)", "max_tokens"},
    {R"("max_tokens":9223372036854775808)", "max_tokens"},
    {R"("stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])", "stop"},
    {R"("stop":"")", "stop"},
    {R"("stop":[""])", "stop"},
    {R"("stop":5)", "stop"},
    {R"("stream_options":{"include_usage":true})", "stream_options"},
    {R"("stream_options":{"include_usage":null})", "stream_options"},
    {R"("stream_interval":0)", "stream_interval"},
    {R"("stream":true,"stream_options":[])", "stream_options"},
    {R"("stream":true,"stream_options":{"include_usage":1})", "stream_options.include_usage"},
    {R"("echo":"yes")", "echo"},
    {R"("include_reasoning":1)", "include_reasoning"},
    {R"("parallel_tool_calls":"yes")", "parallel_tool_calls"},
    {R"("use_beam_search":1)", "use_beam_search"},
    {R"("length_penalty":2.0)", "length_penalty"},
    {R"("use_beam_search":true,"length_penalty":"a")", "length_penalty"},
    {R"("use_beam_search":true,"n":11)", "n"},
    {R"("use_beam_search":true,"stream":true)", "stream"},
    {R"("use_beam_search":true,"best_of":2)", "best_of"},
    {R"("use_beam_search":true,"echo":true,"max_tokens":0)", "max_tokens"},
    {R"("use_beam_search":true,"stop":"a")", "stop"},
    {R"("use_beam_search":true,"presence_penalty":0.5)", "presence_penalty"},
    {R"("use_beam_search":true,"logit_bias":{"3":1})", "logit_bias"},
    {R"("model":7)", "model"},
    {R"("response_format":"x")", "response_format"},
};

TEST(OpenAiRequest, EachBadValueNamesItsField) {
  for (const auto& [fields, param] : kBadFields) {
    GenerateRequest out;
    const ApiFault fault = readFault(fields, false, out);
    ASSERT_TRUE(fault) << fields;
    EXPECT_EQ(fault->status, 400) << fields;
    EXPECT_EQ(fault->param, param) << fields;
    EXPECT_EQ(fault->type(), "invalid_request_error") << fields;
    EXPECT_FALSE(fault->message.empty());
  }
}

TEST(OpenAiRequest, WhatIsNotSupportedIsRefusedByName) {
  for (const char* fields : {R"("tools":[{"type":"function"}])", R"("tool_choice":"auto")",
                             R"("response_format":{"type":"json_object"})", R"("structured_outputs":{"regex":"a"})",
                             R"("guided_json":{})", R"("chat_template":"x")", R"("kv_transfer_params":{"a":1})",
                             R"("vllm_xargs":{"a":1})", R"("thinking_token_budget":5)", R"("modalities":["audio"])"}) {
    GenerateRequest out;
    const ApiFault fault = readFault(fields, true, out);
    const std::string name(std::string_view(fields).substr(1, std::string_view(fields).find('"', 1) - 1));
    ASSERT_TRUE(fault) << fields;
    EXPECT_EQ(fault->status, 400);
    EXPECT_EQ(fault->code, "unsupported_parameter") << fields;
    EXPECT_EQ(fault->param, name);
  }
  GenerateRequest out;
  EXPECT_EQ(readFault(R"("suffix":"s")", false, out)->param, "suffix");
  EXPECT_NE(
      readFault(R"("thinking_token_budget":5)", true, out)->message.find("bound the whole answer by 'max_tokens'"),
      std::string::npos);
}

TEST(OpenAiRequest, ABeamSearchDrawsNothing) {
  const GenerateRequest r = readOk(
      R"("use_beam_search":true,"n":10,"length_penalty":-0.5,"temperature":0.7,"top_p":0.5,"seed":1,"stop":[],
      "presence_penalty":0,"repetition_penalty":1,"logprobs":2,"ignore_eos":true)");
  EXPECT_TRUE(r.beamSearch && r.sampling.greedy() && !r.sampling.penalizes() && r.ignoreEos);
  EXPECT_EQ(r.choices, 10u);
  EXPECT_EQ(r.lengthPenalty, -0.5);
  EXPECT_EQ(r.sampling.logprobs, 2);
  EXPECT_FALSE(readOk(R"("length_penalty":1.0)").beamSearch);
}

TEST(OpenAiRequest, ALogprobOfEachTokenIsRefusedWithTheLimit) {
  GenerateRequest out;
  EXPECT_EQ(readFault(R"("prompt_logprobs":-1)", false, out)->message,
            "'prompt_logprobs' -1 asks for all 265 tokens at each place; this server gives at most 20: send 0 to 20");
}

TEST(OpenAiRequest, TheAnswersOfACallAreBoundedNotThoseThatRunTogether) {
  EXPECT_EQ(readOk(R"("n":128)").choices, 128u);
  const auto read = [](const std::string& fields, GenerateRequest& out) {
    Json json;
    EXPECT_FALSE(parseBody(R"({"prompt":["a","b","c"],)" + fields + "}", json));
    return readGenerateRequest(json, Api::kCompletions, facts(), out);
  };
  GenerateRequest out;
  EXPECT_FALSE(read(R"("n":85)", out));
  EXPECT_EQ(out.choices * out.prompts.size(), 255u);
  for (const auto& [fields, param] : {std::pair{R"("n":86)", "n"}, std::pair{R"("n":2,"best_of":86)", "best_of"}}) {
    GenerateRequest refused;
    const ApiFault fault = read(fields, refused);
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->param, param);
    EXPECT_NE(fault->message.find("86 for 3 prompts, 258 answers; send at most 256"), std::string::npos)
        << fault->message;
  }
}

TEST(OpenAiRequest, WhatVllmTakesWithoutEffectIsTaken) {
  EXPECT_EQ(readOk(R"("stream":true,"prompt_logprobs":0)").promptLogprobs, -1);
  EXPECT_EQ(readOk(R"("stream":true,"echo":true,"logprobs":2,"prompt_logprobs":0)").promptLogprobs, 2);
  readOk(R"("stream_options":{})");
  EXPECT_EQ(readOk(R"("stream_interval":7)").streamInterval, 7u);
}

TEST(OpenAiRequest, AllKeysOfABiasThatAreWrongAreNamed) {
  GenerateRequest out;
  const ApiFault fault = readFault(R"("logit_bias":{"bad1":1,"5":1,"265":2})", true, out);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->param, "logit_bias");
  EXPECT_EQ(fault->message, "'logit_bias' must have token ids below 265 as keys, which these are not: 'bad1', '265'");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += (i > 0 ? ",\"x" : "\"x") + std::to_string(i) + "\":0";
  EXPECT_LT(readFault("\"logit_bias\":{" + many + "}", true, out)->message.size(), 400u);
}

TEST(OpenAiRequest, ThinkingFollowsTheEffortUnlessItIsTold) {
  GenerateRequest out;
  EXPECT_EQ(readFault(R"("reasoning_effort":"")", true, out)->param, "reasoning_effort");
  EXPECT_EQ(readFault(R"("max_completion_tokens":5,"max_tokens":"many")", true, out)->param, "max_tokens");
  EXPECT_EQ(readOk(R"("reasoning_effort":"none")", true).messages.variables,
            R"({"reasoning_effort":"none","enable_thinking":false})");
  EXPECT_EQ(
      readOk(R"("reasoning_effort":"high","chat_template_kwargs":{"enable_thinking":false})", true).messages.variables,
      R"({"enable_thinking":false,"reasoning_effort":"high"})");
}

TEST(OpenAiRequest, AnEchoOfAChatIsALastMessageOfTheSameAuthor) {
  const auto read = [](const std::string& fields) {
    Json json;
    EXPECT_FALSE(parseBody("{" + fields + "}", json));
    GenerateRequest out;
    EXPECT_FALSE(readGenerateRequest(json, Api::kChat, facts(), out)) << fields;
    return out;
  };
  const std::string user = R"({"role":"user","content":"q"})";
  const std::string both = "\"messages\":[" + user + R"(,{"role":"assistant","content":"a "}],"echo":)";
  ASSERT_TRUE(read(both + "true").echoedMessage());
  EXPECT_EQ(*read(both + "true").echoedMessage(), "a ");
  EXPECT_FALSE(read(both + "false").echoedMessage());
  EXPECT_FALSE(read("\"echo\":true,\"messages\":[" + user + "]").echoedMessage());
  const GenerateRequest goesOn = read(R"("echo":true,"add_generation_prompt":false,"messages":[)" + user + "]");
  EXPECT_EQ(goesOn.answerRole(), "user");
  EXPECT_EQ(*goesOn.echoedMessage(), "q");
  GenerateRequest out;
  EXPECT_EQ(readFault(R"("echo":true,"max_tokens":0)", true, out)->param, "max_tokens") << "for prompts alone";
}

TEST(OpenAiRequest, LogprobsOfAChatNeedTheSwitch) {
  GenerateRequest out;
  EXPECT_EQ(readFault(R"("top_logprobs":2)", true, out)->param, "top_logprobs");
  EXPECT_EQ(readFault(R"("logprobs":true,"top_logprobs":21)", true, out)->param, "top_logprobs");
  EXPECT_EQ(readOk(R"("logprobs":true)", true).sampling.logprobs, 0);
  EXPECT_EQ(readOk(R"("logprobs":false)", true).sampling.logprobs, -1);
}

TEST(OpenAiRequest, MoreAnswersMayBeMadeThanShown) {
  const GenerateRequest r = readOk(R"("n":2,"best_of":5)");
  EXPECT_EQ(r.choices, 5u);
  EXPECT_EQ(r.shown, 2u);
  EXPECT_EQ(readOk(R"("n":3)").shown, 3u);
}

TEST(OpenAiRequest, FieldsOfVllmAlone) {
  const GenerateRequest r =
      readOk(R"("logprobs":2,"logprob_token_ids":[7,3],"return_prompt_text":true,"return_token_offsets":true,
             "spaces_between_special_tokens":false,
             "repetition_detection":{"max_pattern_size":20,"min_pattern_size":2,"min_count":3})");
  EXPECT_EQ(r.sampling.logprobIds, (std::vector<int32_t>{7, 3}));
  EXPECT_TRUE(r.returnPromptText);
  EXPECT_EQ(r.repetition.longest, 20u);
  EXPECT_EQ(r.repetition.shortest, 2u);
  EXPECT_EQ(r.repetition.count, 3u);
  EXPECT_EQ(readOk(R"("repetition_detection":{"min_count":3})").repetition.longest, 0u);
  EXPECT_EQ(readOk(R"("documents":[{"title":"t","text":"x"}])", true).messages.variables,
            R"({"documents":[{"title":"t","text":"x"}]})");
  GenerateRequest out;
  for (const char* bad : {R"("documents":{})", R"("documents":["x"])"})
    EXPECT_EQ(readFault(bad, true, out)->param, "documents");
}

TEST(OpenAiRequest, AnEchoMayAskForNoAnswer) {
  const GenerateRequest r = readOk(R"("echo":true,"max_tokens":0,"logprobs":2)");
  EXPECT_EQ(r.maxTokens, 0u);
  EXPECT_EQ(r.promptLogprobs, 2);
}

}  // namespace
}  // namespace llmc::rt::server
