// What the engine's thread keeps of one generation: parameters of each choice, what was sampled, what was told.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/sample/token_history.h"
#include "runtime/server/backend.h"

namespace llmc::rt::serving {

/// One answer to the prompt.
struct Choice {
  SamplingParams params;
  std::optional<TokenHistory> history;  ///< when the parameters penalize
  std::vector<int32_t> output;          ///< ids of its tokens so far
};

class Generation {
 public:
  Generation(server::GenerationRequest request, std::shared_ptr<server::GenerationSink> sink, uint32_t vocabulary);

  const server::GenerationRequest& request() const { return request_; }
  /// What the sampler needs for the next token of `choice`, at `position` of its sequence. `ahead`: so many tokens
  /// before it are not known yet.
  SampleRequest sampling(uint32_t choice, uint32_t position, uint32_t ahead = 0) const;
  const SamplingParams& params(uint32_t choice) const { return choices_[choice].params; }
  bool stops(int32_t token) const;
  void append(uint32_t choice, int32_t token);

  /// Of its rows: more than the best token is read.
  bool needsLogits() const { return wantsPromptRows() || request_.sampling.needsLogits(); }
  bool wantsPromptRows() const { return request_.promptLogprobs >= 0; }
  /// Scores the prompt token after `position` by the row of logits at `position`. Nothing for the last one.
  Status score(Sampler& sampler, std::span<const float> logits, uint32_t position);

  /// The first call tells about the prompt, quietly.
  void tellPrompt(uint32_t cachedTokens, double queueSeconds);
  bool promptTold() const { return promptTold_; }
  /// An error, once: what the device still computes for it may fail too.
  void tellFailure(const Status& status);
  bool failed() const { return failed_; }
  void tell(server::GenerationEvent event) { sink_->deliver(std::move(event)); }
  /// With wake() later.
  void tellQuietly(server::GenerationEvent event) { sink_->deliverQuietly(std::move(event)); }
  void wake() { sink_->wake(); }

 private:
  server::GenerationRequest request_;
  std::shared_ptr<server::GenerationSink> sink_;
  std::vector<Choice> choices_;
  std::vector<server::PositionLogprobs> promptLogprobs_;  ///< [prompt - 1] when asked for
  bool promptTold_ = false, failed_ = false;
};

}  // namespace llmc::rt::serving
