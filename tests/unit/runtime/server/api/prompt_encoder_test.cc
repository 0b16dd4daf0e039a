// Templates, truncation and the context (rows RQ5, RQ12, RQ22).
#include "runtime/server/api/prompt_encoder.h"

#include <gtest/gtest.h>

#include "../served.h"

namespace llmc::rt::server {
namespace {

struct Fixture {
  ModelFacts facts;
  ModelText text = test::mockModelText();
  Fixture() {
    facts.names = {"m"};
    facts.context = 20;
    facts.vocabulary = 265;
    facts.eosIds = {262};
    facts.bosId = 263;
    facts.addBos = true;
  }
  ApiFault prepare(const GenerateRequest& request, std::vector<GenerationRequest>& out) const {
    return PromptEncoder(facts, text).prepare(request, out);
  }
};

GenerateRequest ids(size_t count, std::optional<uint32_t> maxTokens) {
  GenerateRequest request;
  std::vector<int32_t> prompt(count);
  for (size_t i = 0; i < count; ++i) prompt[i] = static_cast<int32_t>(i);
  request.prompts = {prompt};
  request.maxTokens = maxTokens;
  return request;
}

TEST(PromptEncoder, TheContextIsExact) {
  const Fixture f;
  std::vector<GenerationRequest> out;
  EXPECT_FALSE(f.prepare(ids(15, 5), out));
  EXPECT_FALSE(f.prepare(ids(19, std::nullopt), out));
  EXPECT_EQ(out.back().maxTokens, 1u);
  const ApiFault fault = f.prepare(ids(15, 6), out);
  EXPECT_EQ(fault->code, "context_length_exceeded");
  EXPECT_EQ(fault->param, "prompt");
  EXPECT_NE(fault->message.find("maximum context length is 20 tokens"), std::string::npos);
  EXPECT_TRUE(f.prepare(ids(20, std::nullopt), out));
}

TEST(PromptEncoder, ScoresOfAPromptAreBounded) {
  Fixture f;
  f.facts.context = 8192;
  std::vector<GenerationRequest> out;
  GenerateRequest request = ids(0, 1);
  request.prompts = {std::vector<int32_t>(8000, 5)};
  request.promptLogprobs = 20;
  request.choices = request.shown = 6;
  EXPECT_FALSE(f.prepare(request, out)) << "6 * 8,000 * 21 is less than 2^20";
  request.choices = request.shown = 7;
  EXPECT_EQ(f.prepare(request, out)->param, "prompt_logprobs");
  request.echo = true;
  EXPECT_EQ(f.prepare(request, out)->param, "logprobs");
  request.choices = request.shown = 1;
  request.prompts.resize(7, request.prompts.front());
  EXPECT_EQ(f.prepare(request, out)->status, 400) << "seven prompts are as many";
}

TEST(PromptEncoder, TruncationKeepsTheAskedEnd) {
  const Fixture f;
  std::vector<GenerationRequest> out;
  GenerateRequest request = ids(30, 5);
  request.truncatePrompt = 3;
  EXPECT_FALSE(f.prepare(request, out));
  EXPECT_EQ(out.back().prompt, (std::vector<int32_t>{27, 28, 29}));
  request.truncateRight = true;
  EXPECT_FALSE(f.prepare(request, out));
  EXPECT_EQ(out.back().prompt, (std::vector<int32_t>{0, 1, 2}));
  request.truncatePrompt = -1;
  request.maxTokens = 1;
  EXPECT_FALSE(f.prepare(request, out));
  EXPECT_EQ(out.back().prompt.size(), 19u);
  request.maxTokens = 5;
  EXPECT_FALSE(f.prepare(request, out));
  EXPECT_EQ(out.back().prompt.size(), 15u) << "the answer's room is left";
  request.maxTokens.reset();
  EXPECT_FALSE(f.prepare(request, out));
  EXPECT_EQ(out.back().prompt.size(), 19u);
  request.maxTokens = 20;
  EXPECT_EQ(f.prepare(request, out)->code, "context_length_exceeded");
}

TEST(PromptEncoder, TextsGetABos) {
  const Fixture f;
  GenerateRequest request;
  request.prompts = {"hello"};
  std::vector<GenerationRequest> out;
  EXPECT_FALSE(f.prepare(request, out));
  EXPECT_EQ(out.back().prompt, (std::vector<int32_t>{263, 259}));
  request.addSpecialTokens = false;
  EXPECT_FALSE(f.prepare(request, out));
  EXPECT_EQ(out.back().prompt, std::vector<int32_t>{259});
}

TEST(PromptEncoder, WhatCannotFitByItsBytesIsNotEncoded) {
  Fixture f;
  std::vector<GenerationRequest> out;
  GenerateRequest request;
  request.addSpecialTokens = false;
  request.maxTokens = 1;
  constexpr size_t most = 19 * 12;  // the longest token is "<|im_start|>"
  request.prompts = {std::string(most + 1, 'z')};
  const ApiFault byBytes = f.prepare(request, out);
  ASSERT_TRUE(byBytes);
  EXPECT_EQ(byBytes->code, "context_length_exceeded");
  EXPECT_EQ(byBytes->param, "prompt");
  EXPECT_NE(byBytes->message.find("at least 21 tokens (at least 20 in the prompt, 1 in the"), std::string::npos)
      << byBytes->message;
  request.prompts = {std::string(most, 'z')};
  EXPECT_NE(f.prepare(request, out)->message.find("requested " + std::to_string(most + 1)), std::string::npos);
  request.prompts = {std::string(most + 1, 'z')};
  request.truncatePrompt = 4;
  EXPECT_FALSE(f.prepare(request, out)) << "which bytes stay only the tokens say";
  EXPECT_EQ(out.back().prompt.size(), 4u);
}

TEST(PromptEncoder, StopIdsAreTheModelsAndTheRequests) {
  const Fixture f;
  std::vector<GenerationRequest> out;
  GenerateRequest request = ids(2, 5);
  request.stopTokenIds = {7};
  EXPECT_FALSE(f.prepare(request, out));
  EXPECT_EQ(out.back().stopIds, (std::vector<int32_t>{262, 7}));
  request.ignoreEos = true;
  EXPECT_FALSE(f.prepare(request, out));
  EXPECT_EQ(out.back().stopIds, std::vector<int32_t>{7});
}

TEST(PromptEncoder, BadWordsAreBothSpellings) {
  const Fixture f;
  std::vector<GenerationRequest> out;
  GenerateRequest request = ids(2, 5);
  request.badWords = {"hello"};
  EXPECT_FALSE(f.prepare(request, out));
  EXPECT_EQ(out.back().sampling.badWords, (std::vector<std::vector<int32_t>>{{259}, {260}}));
}

TEST(PromptEncoder, ChatsAreRenderedAndContinued) {
  const Fixture f;
  const PromptEncoder encoder(f.facts, f.text);
  std::vector<int32_t> out;
  ChatFields chat;
  chat.messages = R"([{"role":"u","content":"<|im_end|>"}])";
  ASSERT_FALSE(encoder.encodeChat(chat, out));
  EXPECT_EQ(std::count(out.begin(), out.end(), 262), 1) << "the user's text makes no control token";
  chat.messages = R"([{"role":"assistant","content":" Sure "}])";
  chat.continueFinal = true;
  chat.lastContent = " Sure ";
  chat.addGenerationPrompt = false;
  ASSERT_FALSE(encoder.encodeChat(chat, out));
  EXPECT_EQ(*f.text.tokenizer.decode(out, false), "<|im_start|>assistant\nSure");
}

TEST(PromptEncoder, AModelWithoutTemplateSaysSo) {
  Fixture f;
  f.text.chatTemplate.reset();
  std::vector<int32_t> out;
  EXPECT_EQ(PromptEncoder(f.facts, f.text).encodeChat({}, out)->code, "template_error");
  f.text.chatTemplate = *ChatTemplate::create("{{ raise_exception('only once') }}", "", "");
  ChatFields chat;
  chat.messages = "[]";
  const ApiFault fault = PromptEncoder(f.facts, f.text).encodeChat(chat, out);
  EXPECT_EQ(fault->code, "template_error");
  EXPECT_EQ(fault->message, "only once");
}

}  // namespace
}  // namespace llmc::rt::server
