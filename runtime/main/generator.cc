// The generation loop.
#include "runtime/main/generator.h"

#include <algorithm>
#include <optional>

#include "runtime/main/process_clock.h"
#include "runtime/sample/tile_argmax.h"
#include "runtime/text/stop_matcher.h"
#include "runtime/text/detokenizer.h"

namespace llmc::rt {

const char* finishName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kInterrupted:
      return "abort";
  }
  return "stop";
}

Status prefill(Executor& executor, SequenceCache& cache, std::span<const int32_t> prompt,
               const std::atomic<bool>* interrupted, bool logits) {
  while (cache.length() < prompt.size()) {
    if (interrupted && interrupted->load(std::memory_order_relaxed)) return Status::ok();
    const uint32_t start = cache.length();
    const auto count = static_cast<uint32_t>(std::min<size_t>(executor.limits().maxTokens, prompt.size() - start));
    const bool last = start + count == prompt.size();
    LLMC_TRY(cache.append(count));
    const StepSequence step{prompt.subspan(start, count),
                            cache.pages(),
                            start,
                            last ? RowChoice::kLast : RowChoice::kNone,
                            {},
                            /*apart=*/false,
                            logits};
    if (Status status = executor.step(std::span(&step, 1)); !status) {
      cache.truncate(start);
      return status;
    }
  }
  return Status::ok();
}

Status decode(Executor& executor, SequenceCache& cache, int32_t id, bool logits) {
  const uint32_t start = cache.length();
  LLMC_TRY(cache.append(1));
  const StepSequence step{std::span(&id, 1), cache.pages(), start, RowChoice::kLast, {}, /*apart=*/false, logits};
  return executor.step(std::span(&step, 1));
}

namespace {

/// State of one call of generate().
class Loop {
 public:
  Loop(Executor& executor, SequenceCache& cache, const GenerationRequest& request)
      : executor_(executor), cache_(cache), request_(request), sampler_(executor.vocabulary()), stops_(request.stops) {
    const auto room =
        static_cast<uint32_t>(cache.maxTokens() - std::min<size_t>(cache.maxTokens(), request.prompt.size()));
    most_ = std::min(request.maxTokens, room);
    if (request.tokenizer) stream_.emplace(*request.tokenizer);
    if (request.params.penalizes()) {
      history_.emplace(executor.vocabulary(), cache.maxTokens());
      history_->addPrompt(request.prompt);
    }
    result_.ids.reserve(most_);
  }

  Result<Generation> run() {
    const double start = monotonicSeconds();
    result_.prefilled = static_cast<uint32_t>(request_.prompt.size()) - cache_.length();
    LLMC_TRY(prefill(executor_, cache_, request_.prompt, request_.interrupted, logits_));
    if (cache_.length() < request_.prompt.size()) {
      result_.finish = FinishReason::kInterrupted;
      return std::move(result_);
    }
    double first = 0;
    while (result_.ids.size() < most_) {
      if (!result_.ids.empty()) LLMC_TRY(decode(executor_, cache_, result_.ids.back(), logits_));
      LLMC_TRY(sampleNext());
      if (result_.ids.size() == 1) {
        first = monotonicSeconds();
        result_.firstTokenMilliseconds = millisecondsSinceStart();
      }
      if (done_) break;
      if (request_.interrupted && request_.interrupted->load(std::memory_order_relaxed)) {
        result_.finish = FinishReason::kInterrupted;
        break;
      }
    }
    result_.prefillSeconds = first - start;
    result_.decodeSeconds = monotonicSeconds() - first;
    LLMC_TRY(finishText());
    return std::move(result_);
  }

 private:
  Status sampleNext() {
    const SampleRequest request{&request_.params, history_ ? &*history_ : nullptr,
                                request_.eosIds,  static_cast<uint32_t>(result_.ids.size()),
                                cache_.length(),  result_.ids};
    TokenLogprobs logprobs;
    const auto tiles = executor_.tiles(0);
    auto token =
        logits_ || tiles.empty() ? sampler_.sample(executor_.logits(0), request, &logprobs) : bestOfTiles(tiles);
    LLMC_TRY(token.status());
    result_.ids.push_back(*token);
    if (request_.params.logprobs >= 0) result_.logprobs.push_back(std::move(logprobs));
    if (history_) history_->addGenerated(*token);
    if (std::find(request_.eosIds.begin(), request_.eosIds.end(), *token) != request_.eosIds.end()) {
      finish(FinishReason::kStop);
      return Status::ok();
    }
    if (!stream_) return Status::ok();
    auto piece = stream_->push(*token);
    LLMC_TRY(piece.status());
    return show(stops_.push(*piece, mayStop()));
  }

  /// What was held back, once it is known that no stop string comes of it.
  Status finishText() {
    if (!stream_ || stops_.stopped()) return Status::ok();
    auto rest = stream_->flush();
    LLMC_TRY(rest.status());
    LLMC_TRY(show(stops_.push(*rest, mayStop())));
    return stops_.stopped() ? Status::ok() : show(stops_.flush());
  }

  /// What ends the text comes behind its first minTokens tokens.
  bool mayStop() const { return result_.ids.size() > request_.params.minTokens; }

  Status show(const std::string& text) {
    if (stops_.stopped()) finish(FinishReason::kStop);
    result_.text += text;
    return text.empty() || !request_.emit ? Status::ok() : request_.emit(text);
  }

  void finish(FinishReason reason) {
    result_.finish = reason;
    done_ = true;
  }

  Executor& executor_;
  SequenceCache& cache_;
  const GenerationRequest& request_;
  Sampler sampler_;
  StopMatcher stops_;
  std::optional<TokenStream> stream_;
  std::optional<TokenHistory> history_;
  const bool logits_ = request_.params.needsLogits();
  uint32_t most_ = 0;
  bool done_ = false;
  Generation result_;
};

}  // namespace

Result<Generation> generate(Executor& executor, SequenceCache& cache, const GenerationRequest& request) {
  return Loop(executor, cache, request).run();
}

}  // namespace llmc::rt
