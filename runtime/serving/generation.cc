// Sampling state of the choices and scores of the prompt.
#include "runtime/serving/generation.h"

#include <algorithm>
#include <utility>

namespace llmc::rt::serving {

using server::GenerationRequest;

Generation::Generation(GenerationRequest request, std::shared_ptr<server::GenerationSink> sink, uint32_t vocabulary)
    : request_(std::move(request)), sink_(std::move(sink)), choices_(request_.choices) {
  for (uint32_t i = 0; i < choices_.size(); ++i) {
    Choice& choice = choices_[i];
    choice.params = request_.sampling;
    choice.params.seed += i;
    choice.output.reserve(request_.maxTokens);
    if (!choice.params.penalizes()) continue;
    choice.history.emplace(vocabulary, static_cast<uint32_t>(request_.prompt.size()) + request_.maxTokens);
    choice.history->addPrompt(request_.prompt);
  }
  if (wantsPromptRows()) promptLogprobs_.resize(request_.prompt.size() - 1);
}

SampleRequest Generation::sampling(uint32_t choice, uint32_t position, uint32_t ahead) const {
  const Choice& c = choices_[choice];
  return {&c.params,        c.history ? &*c.history : nullptr,
          request_.stopIds, static_cast<uint32_t>(c.output.size()) + ahead,
          position,         c.output};
}

bool Generation::stops(int32_t token) const {
  return std::find(request_.stopIds.begin(), request_.stopIds.end(), token) != request_.stopIds.end();
}

void Generation::append(uint32_t choice, int32_t token) {
  Choice& c = choices_[choice];
  c.output.push_back(token);
  if (c.history) c.history->addGenerated(token);
}

Status Generation::score(Sampler& sampler, std::span<const float> logits, uint32_t position) {
  if (position >= promptLogprobs_.size()) return Status::ok();
  auto denominator = sampler.logSumExp(logits);
  LLMC_TRY(denominator.status());
  const float logit = logits[static_cast<size_t>(request_.prompt[position + 1])];
  server::PositionLogprobs& out = promptLogprobs_[position];
  out.logprob = static_cast<float>(logit - *denominator);
  out.rank = 1 + static_cast<uint32_t>(std::count_if(logits.begin(), logits.end(), [&](float l) { return l > logit; }));
  if (request_.promptLogprobs == 0) return Status::ok();
  SamplingParams best;
  best.temperature = 0;
  best.logprobs = request_.promptLogprobs;
  TokenLogprobs found;
  SampleRequest request;
  request.params = &best;
  LLMC_TRY(sampler.sample(logits, request, &found).status());
  out.top = std::move(found.top);
  return Status::ok();
}

void Generation::tellFailure(const Status& status) {
  if (!std::exchange(failed_, true)) tell(server::ErrorEvent{status});
}

void Generation::tellPrompt(uint32_t cachedTokens, double queueSeconds) {
  if (promptTold_) return;
  promptTold_ = true;
  tellQuietly(server::PromptEvent{cachedTokens, queueSeconds, std::move(promptLogprobs_)});
}

}  // namespace llmc::rt::serving
