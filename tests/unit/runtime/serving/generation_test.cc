// Seeds of choices, stop ids, scores of prompt tokens against the formula.
#include "runtime/serving/generation.h"

#include <gtest/gtest.h>

#include <cmath>

namespace llmc::rt::serving {
namespace {

class Keep final : public server::GenerationSink {
 public:
  void deliver(server::GenerationEvent event) override { events.push_back(std::move(event)); }
  std::vector<server::GenerationEvent> events;
};

TEST(Generation, ChoicesDifferInSeedAndKeepTheirOutput) {
  server::GenerationRequest request;
  request.prompt = {1, 2};
  request.choices = 2;
  request.sampling.seed = 7;
  request.sampling.presencePenalty = 1;
  request.stopIds = {5};
  request.maxTokens = 4;
  Generation generation(request, std::make_shared<Keep>(), 10);
  generation.append(1, 4);
  EXPECT_EQ(generation.params(0).seed, 7u);
  EXPECT_EQ(generation.params(1).seed, 8u);
  EXPECT_EQ(generation.sampling(0, 3).generated, 0u);
  EXPECT_EQ(generation.sampling(1, 3).generated, 1u);
  EXPECT_EQ(generation.sampling(1, 3).output[0], 4);
  EXPECT_NE(generation.sampling(0, 3).history, nullptr);
  EXPECT_TRUE(generation.stops(5));
  EXPECT_FALSE(generation.stops(4));
}

TEST(Generation, TokensThatAreNotKnownYetCount) {
  server::GenerationRequest request;
  request.prompt = {1, 2};
  request.maxTokens = 4;
  Generation generation(request, std::make_shared<Keep>(), 10);
  generation.append(0, 4);
  EXPECT_EQ(generation.sampling(0, 4, 1).generated, 2u);
}

TEST(Generation, TellsOneFailure) {
  server::GenerationRequest request;
  request.prompt = {1, 2};
  auto sink = std::make_shared<Keep>();
  Generation generation(request, sink, 10);
  EXPECT_FALSE(generation.failed());
  for (int i = 0; i < 2; ++i) generation.tellFailure(Status::error(ErrorKind::kInternal, "RT_LOGITS", "no numbers"));
  EXPECT_TRUE(generation.failed());
  EXPECT_EQ(sink->events.size(), 1u);
}

TEST(Generation, PromptTokensAreScoredByTheRowBefore) {
  server::GenerationRequest request;
  request.prompt = {0, 2, 1};
  request.promptLogprobs = 1;
  auto sink = std::make_shared<Keep>();
  Generation generation(request, sink, 4);
  Sampler sampler(4);
  const std::vector<float> row = {1, 3, 2, 0};
  const double denominator = std::log(std::exp(1.0) + std::exp(3.0) + std::exp(2.0) + 1);
  for (uint32_t position = 0; position < 3; ++position) ASSERT_TRUE(generation.score(sampler, row, position));
  generation.tellPrompt(0, 0);
  generation.tellPrompt(0, 0);
  ASSERT_EQ(sink->events.size(), 1u);
  const auto& scored = std::get<server::PromptEvent>(sink->events[0]).logprobs;
  ASSERT_EQ(scored.size(), 2u);
  EXPECT_NEAR(scored[0].logprob, 2 - denominator, 1e-5);
  EXPECT_EQ(scored[0].rank, 2u);
  EXPECT_EQ(scored[1].rank, 1u);
  EXPECT_EQ(scored[0].top.at(0).first, 1);
}

}  // namespace
}  // namespace llmc::rt::serving
