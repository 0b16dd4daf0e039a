// What an answer may hold is counted before it is begun, or as it grows where nobody said how long it may be.
#include "runtime/server/api/answer_bounds.h"

#include <gtest/gtest.h>

#include "runtime/base/limits.h"

namespace llmc::rt::server {
namespace {

struct Asked {
  GenerateRequest request;
  std::vector<GenerationRequest> prompts;
  explicit Asked(Api api, uint32_t tokens) {
    request.api = api;
    request.sampling.logprobs = 20;
    request.maxTokens = tokens;
    prompts.resize(1);
    prompts[0].prompt.resize(10);
    prompts[0].maxTokens = tokens;
    prompts[0].promptLogprobs = -1;
  }
  void choices(uint32_t n) { request.choices = request.shown = n; }
  ApiFault check() const { return checkLogprobs(request, prompts); }
};

constexpr uint32_t kMostTokens = limits::kAnswerLogprobs / 21;

TEST(AnswerBounds, TokensTimesAlternativesTimesChoices) {
  Asked asked(Api::kChat, kMostTokens);
  EXPECT_FALSE(asked.check());
  asked.choices(2);
  const ApiFault fault = asked.check();
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->status, 400);
  EXPECT_EQ(fault->param, "top_logprobs");
  EXPECT_EQ(fault->message, "the answer could hold " + std::to_string(2 * 21 * kMostTokens) +
                                " log probabilities, of prompts and of choices, and the most is 1048576; ask for fewer "
                                "in 'top_logprobs', for fewer tokens, or for fewer choices");
  asked.request.sampling.logprobs = 0;
  EXPECT_FALSE(asked.check()) << "the token's own alone";
  asked.request.sampling.logprobIds.resize(128);
  EXPECT_TRUE(asked.check()) << "ids of its own count, too";
  asked.request.sampling.logprobs = -1;
  EXPECT_FALSE(asked.check());
  EXPECT_EQ(Asked(Api::kCompletions, kMostTokens + 1).check()->param, "logprobs");
}

TEST(AnswerBounds, PromptsCountBesideTheirAnswers) {
  Asked asked(Api::kCompletions, kMostTokens - 20);
  asked.prompts[0].promptLogprobs = 20;
  EXPECT_FALSE(asked.check());
  asked.prompts[0].prompt.resize(30);
  EXPECT_EQ(asked.check()->param, "logprobs");
  asked.prompts[0].prompt.resize(kMostTokens + 1);
  EXPECT_EQ(asked.check()->param, "prompt_logprobs");
  asked.request.echo = true;
  EXPECT_EQ(asked.check()->param, "logprobs") << "which is what an echo's come from";
}

TEST(AnswerBounds, AStreamHoldsWhatOneEventSays) {
  Asked asked(Api::kChat, 10 * kMostTokens);
  asked.request.stream = true;
  EXPECT_FALSE(asked.check()) << "each token leaves at once";
  asked.request.api = Api::kResponses;
  EXPECT_EQ(asked.check()->param, "top_logprobs") << "whose last events say all of it again";
  Asked echo(Api::kCompletions, 10 * kMostTokens);
  echo.request.stream = echo.request.echo = true;
  echo.prompts[0].promptLogprobs = 20;
  EXPECT_FALSE(echo.check());
  echo.prompts[0].prompt.resize(limits::kEventLogprobs / 21 + 1);
  EXPECT_EQ(echo.check()->param, "logprobs");
}

TEST(AnswerBounds, WithoutALengthOnlyTheAnswerShowsIt) {
  Asked asked(Api::kChat, 10 * kMostTokens);
  asked.request.maxTokens.reset();
  EXPECT_FALSE(asked.check());
  EXPECT_EQ(tooManyLogprobs(asked.request).param, "top_logprobs");
  EXPECT_EQ(tooManyLogprobs(asked.request).message,
            "the answer has come to more than 1048576 log probabilities, the most of one answer; send 'max_tokens', or "
            "ask for fewer in 'top_logprobs'");
}

}  // namespace
}  // namespace llmc::rt::server
