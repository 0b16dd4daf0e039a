// What all APIs have in common before their own fields: the model, its defaults, unknown fields.
#include "runtime/server/api/generate_request.h"

#include <gtest/gtest.h>

namespace llmc::rt::server {
namespace {

constexpr Api kAll[] = {Api::kCompletions, Api::kChat, Api::kMessages, Api::kResponses};

ApiFault read(Api api, const std::string& fields, GenerateRequest& out) {
  const char* prompt = api == Api::kCompletions ? R"("prompt":"hi")"
                       : api == Api::kResponses ? R"("input":"hi")"
                       : api == Api::kMessages  ? R"("max_tokens":16,"messages":[{"role":"user","content":"hi"}])"
                                                : R"("messages":[{"role":"user","content":"hi"}])";
  Json json;
  if (ApiFault fault = parseBody("{" + std::string(prompt) + fields + "}", json)) return fault;
  ModelFacts facts;
  facts.names = {"m", "alias"};
  facts.context = 100;
  facts.vocabulary = 265;
  facts.defaults.temperature = 0.6;
  return readGenerateRequest(json, api, facts, out);
}

TEST(GenerateRequest, ModelAndDefaultsAreTheSameInAllApis) {
  for (const Api api : kAll) {
    GenerateRequest out;
    EXPECT_FALSE(read(api, "", out));
    EXPECT_EQ(out.model, "m");
    EXPECT_EQ(out.api, api);
    EXPECT_EQ(out.sampling.temperature, 0.6);
    EXPECT_EQ(out.sampling.logprobs, -1);
    EXPECT_EQ(out.choices, 1u);
    EXPECT_FALSE(out.stream);
    GenerateRequest other;
    EXPECT_FALSE(read(api, R"(,"model":"alias","unknown":{"a":[1]})", other));
    EXPECT_EQ(other.model, "m") << "the first name, whichever was asked for";
  }
}

TEST(GenerateRequest, UnknownModelsAre404AndHugeNames400) {
  for (const Api api : kAll) {
    GenerateRequest out;
    const ApiFault unknown = read(api, R"(,"model":"other")", out);
    EXPECT_EQ(unknown->status, 404);
    EXPECT_EQ(unknown->code, "model_not_found");
    EXPECT_EQ(unknown->param, "model");
    EXPECT_EQ(read(api, ",\"model\":\"" + std::string(10'000, 'm') + "\"", out)->status, 400);
    EXPECT_EQ(read(api, R"(,"model":7)", out)->param, "model");
  }
}

TEST(GenerateRequest, TheLengthHasItsApisName) {
  GenerateRequest out;
  EXPECT_STREQ(out.lengthField(), "max_tokens");
  out.api = Api::kResponses;
  EXPECT_STREQ(out.lengthField(), "max_output_tokens");
}

TEST(GenerateRequest, ThePromptHasItsApisName) {
  for (const auto& [api, name] : {std::pair{Api::kCompletions, "prompt"}, std::pair{Api::kChat, "messages"},
                                  std::pair{Api::kMessages, "messages"}, std::pair{Api::kResponses, "input"}}) {
    GenerateRequest out;
    out.api = api;
    EXPECT_STREQ(out.promptField(), name);
    EXPECT_EQ(out.chat(), api != Api::kCompletions);
  }
}

}  // namespace
}  // namespace llmc::rt::server
