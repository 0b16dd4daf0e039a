// A step is over when each of its requests has told its token.
#include "runtime/server/beam_generation.h"

#include <algorithm>
#include <utility>

#include "runtime/base/limits.h"

namespace llmc::rt::server {
namespace {

BeamRules rulesOf(const GenerationRequest& answer, const GenerateRequest& request) {
  return {.width = answer.choices,
          .maxTokens = answer.maxTokens,
          .lengthPenalty = request.lengthPenalty,
          .promptTokens = static_cast<uint32_t>(answer.prompt.size()),
          .ends = answer.stopIds};
}

}  // namespace

BeamGeneration::BeamGeneration(Backend& backend, std::atomic<uint64_t>& ids, GenerationRequest answer,
                               const GenerateRequest& request, Tell tell)
    : backend_(backend),
      ids_(ids),
      answer_(std::move(answer)),
      includeStop_(request.includeStop),
      shownScores_(request.sampling.logprobs),
      search_(rulesOf(answer_, request)),
      tell_(std::move(tell)) {}

Status BeamGeneration::start(EventInbox& inbox) {
  inbox_ = inbox.shared_from_this();
  Status status = submit();
  over_ = !status;
  return status;
}

Status BeamGeneration::submit() {
  const auto& beams = search_.live();
  steps_.assign(beams.size(), {});
  pending_ = 0;
  for (uint32_t i = 0; i < beams.size(); ++i) {
    GenerationRequest one = answer_;
    if (!first_) one.id = ids_.fetch_add(1, std::memory_order_relaxed);
    for (const BeamSearch::Token& token : search_.tokensOf(beams[i])) one.prompt.push_back(token.id);
    one.choices = one.maxTokens = 1;
    one.stopIds.clear();  // what ends a beam is the search's to say
    one.sampling.logprobs =
        std::min(std::max(static_cast<int32_t>(search_.candidates()), shownScores_), int32_t{limits::kTopLogprobs});
    one.goesOn = !first_;
    if (!first_) one.promptLogprobs = -1;
    steps_[i].id = one.id;
    Status status = backend_.submit(std::move(one), inbox_->sink(shared_from_this(), i));
    if (!status) return status;
    ++pending_;
  }
  return Status::ok();
}

void BeamGeneration::onEvent(uint32_t beam, GenerationEvent event) {
  if (over_) return;
  Step& step = steps_[beam];
  if (auto* prompt = std::get_if<PromptEvent>(&event)) {
    if (first_) tell_(std::move(*prompt));
    return;
  }
  if (auto* error = std::get_if<ErrorEvent>(&event)) {
    step.ended = true;
    cancel();
    return tell_(std::move(*error));
  }
  step.ended = true;
  auto* token = std::get_if<TokenEvent>(&event);
  // The engine gave up, at the deadline: what there is until now is the answer.
  if (!token || !token->logprobs) {
    cancel();
    return finish(FinishReason::kAbort);
  }
  step.scores = std::move(*token->logprobs);
  if (--pending_ > 0) return;
  std::vector<TokenLogprobs> scores;
  for (Step& each : steps_) scores.push_back(std::move(each.scores));
  search_.advance(std::move(scores));
  first_ = false;
  if (search_.done()) {
    over_ = true;
    return finish(FinishReason::kLength);
  }
  if (Status status = submit(); !status) {
    cancel();
    tell_(ErrorEvent{std::move(status)});
  }
}

void BeamGeneration::cancel() {
  if (std::exchange(over_, true)) return;
  for (const Step& step : steps_)
    if (step.id != 0 && !step.ended) backend_.cancel(step.id);
}

void BeamGeneration::finish(FinishReason unfinished) {
  const auto best = search_.best();
  for (uint32_t i = 0; i < answer_.choices; ++i) {
    if (i < best.size())
      tellBeam(i, best[i], unfinished);
    else
      tell_(FinishEvent{i, FinishReason::kAbort});  // fewer tokens are possible than beams were wished
  }
}

void BeamGeneration::tellBeam(uint32_t choice, const BeamSearch::Beam& beam, FinishReason unfinished) {
  const FinishReason reason = beam.end >= 0 ? FinishReason::kStop : unfinished;
  auto tokens = search_.tokensOf(beam);
  // As in vLLM, an end that is not shown is no token of the answer.
  const bool endTold = beam.end >= 0 && includeStop_;
  if (beam.end >= 0 && !endTold) tokens.pop_back();
  for (size_t k = 0; k < tokens.size(); ++k) {
    TokenEvent event;
    event.choice = choice;
    event.token = tokens[k].id;
    const bool last = k + 1 == tokens.size();
    if (last && (reason == FinishReason::kLength || endTold)) event.finish = reason;
    if (shownScores_ >= 0) {
      event.logprobs = std::make_unique<TokenLogprobs>();
      event.logprobs->logprob = tokens[k].logprob;
      const auto& top = tokens[k].scores->top;
      event.logprobs->top.assign(top.begin(),
                                 top.begin() + std::min<long>(shownScores_, static_cast<long>(top.size())));
    }
    tell_(std::move(event));
  }
  if (reason == FinishReason::kAbort || (reason == FinishReason::kStop && !endTold))
    tell_(FinishEvent{choice, reason, reason == FinishReason::kStop ? beam.end : -1});
}

}  // namespace llmc::rt::server
