// What the server needs of an engine: generations in, their events back from another thread, and a few facts.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/sample/sampler.h"
#include "runtime/sample/sampling_params.h"

namespace llmc::rt::server {

/// Chosen by the server, never used twice in a process.
using GenerationId = uint64_t;
inline constexpr uint32_t kAllChoices = UINT32_MAX;

struct ModelFacts {
  std::vector<std::string> names;    ///< accepted as `model`; answers carry the first. Not empty
  uint32_t context = 0;              ///< tokens of the longest sequence, prompt and answer
  bool priorities = false;           ///< a request's priority is heeded
  uint32_t mostAtOnce = UINT32_MAX;  ///< generations that run and wait; more can never be submitted together
  uint32_t vocabulary = 0;           ///< ids are below it
  std::vector<int32_t> eosIds;       ///< tokens that end an answer
  int32_t bosId = -1;
  bool addBos = false;      ///< put bosId before a text prompt
  SamplingParams defaults;  ///< of the model's generation_config, for fields that a request leaves out
};

/// One prompt and its answers. All numbers are in their ranges, all ids in the vocabulary.
struct GenerationRequest {
  GenerationId id = 0;
  std::string requestId;        ///< of the HTTP request, for logs and traces
  std::string traceparent;      ///< W3C header as it came, or empty
  uint32_t apiKey = 0;          ///< index of the key that was used: who the request is counted for
  std::vector<int32_t> prompt;  ///< not empty, and prompt.size() + maxTokens <= context
  uint32_t choices = 1;         ///< answers to the prompt; choice i uses seed + i
  SamplingParams sampling;      ///< .logprobs and .minTokens included
  bool seeded = false;          ///< the client gave the seed: its tokens may not depend on what runs beside it
  uint32_t maxTokens = 1;
  std::vector<int32_t> stopIds;  ///< tokens that end an answer; the end-of-text ones included unless they are ignored
  int32_t promptLogprobs = -1;   ///< -1: none; N: of each prompt token and the N best
  int64_t priority = 0;          ///< smaller is sooner
  std::string cacheSalt;         ///< prefixes are shared only among equal salts
  bool goesOn = false;           ///< part of an answer that has begun: no full queue refuses it
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

/// kRepetition: the server found one, no backend says it.
enum class FinishReason : uint8_t { kNone, kStop, kLength, kAbort, kRepetition };

/// Of one prompt token but the first, which nothing predicts.
struct PositionLogprobs {
  float logprob = 0;
  uint32_t rank = 1;                           ///< 1: no token was likelier
  std::vector<std::pair<int32_t, float>> top;  ///< best first, (id, logprob)
};

/// Once a generation, before its first token.
struct PromptEvent {
  uint32_t cachedTokens = 0;               ///< of the prompt, found in the prefix cache
  double queueSeconds = 0;                 ///< from submit until its first step
  std::vector<PositionLogprobs> logprobs;  ///< prompt.size() - 1 entries when they were asked for
};

/// A token of one choice. The last one says why it is the last; with kStop it is the stop token.
struct TokenEvent {
  uint32_t choice = 0;
  int32_t token = 0;
  FinishReason finish = FinishReason::kNone;
  std::unique_ptr<TokenLogprobs> logprobs;  ///< set when they were asked for
  uint32_t preemptions = 0;                 ///< of its choice until now
};

/// An end of a choice that comes without a token.
struct FinishEvent {
  uint32_t choice = 0;
  FinishReason reason = FinishReason::kAbort;
  int32_t stopToken = -1;  ///< with kStop: the token that ended it and is none of its tokens
};

/// The end of all choices.
struct ErrorEvent {
  Status status;
};

using GenerationEvent = std::variant<PromptEvent, TokenEvent, FinishEvent, ErrorEvent>;

/// Takes the events of one generation. The backend shares ownership until the last event or until it has seen the
/// cancellation; the destructor may run on the backend's thread.
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  /// From one thread at a time, in order, and without a lock that cancel() or pause() would need: it returns at once,
  /// unless the server's I/O threads are thousands of events behind; then it waits for them. Throws nothing. Each
  /// choice ends with one TokenEvent that has a reason or one FinishEvent, or an ErrorEvent ends all. Nothing comes
  /// after a choice's end; after cancel() or pause() returned, events that were on their way may still come.
  virtual void deliver(GenerationEvent event) = 0;
  /// The same, for one of many events of a moment: who takes it may learn of it only with the next deliver() or wake()
  /// of any sink, so that the sender is done before the takers want its CPU.
  virtual void deliverQuietly(GenerationEvent event) { deliver(std::move(event)); }
  /// To be called on each sink after its deliverQuietly().
  virtual void wake() {}
};

inline constexpr double kIterationTokenBounds[] = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
inline constexpr size_t kIterationTokenBuckets = std::size(kIterationTokenBounds) + 1;

/// A moment of the engine; counts are since its start.
struct BackendStats {
  uint32_t running = 0, waiting = 0, swapped = 0;  ///< sequences; `waiting` has those that are swapped to the host
  uint32_t deferred = 0;                           ///< of those that wait the ones that a free place would not help
  double kvUsage = 0, hostUsage = 0;               ///< [0, 1], of the KV pool and of the host's
  uint32_t kvPages = 0, kvPageTokens = 0;          ///< of the pool, and how many tokens a page holds; 0: there is none
  uint32_t retryAfterSeconds = 1;                  ///< until a place in the queue is likely free
  uint32_t hostPages = 0;                          ///< for swapped sequences
  bool prefixCache = false;
  uint64_t preemptions = 0, recomputedTokens = 0;        ///< recomputed: computed, lost by preemption, to be done again
  uint64_t prefixCacheQueries = 0, prefixCacheHits = 0;  ///< in tokens
  uint64_t iterationTokens[kIterationTokenBuckets] = {};  ///< steps by tokens, as in kIterationTokenBounds
  uint64_t iterationTokensSum = 0;
};

// Codes of submit() that have an answer of their own.
inline constexpr const char* kQueueFull = "SV_QUEUE_FULL";    ///< 429 with Retry-After
inline constexpr const char* kKvCapacity = "SV_KV_CAPACITY";  ///< 400: would never fit, so it is not queued

/// Code of an ErrorEvent whose numbers were not numbers; counted apart.
inline constexpr const char* kBadLogits = "RT_LOGITS";

/// All functions may be called from any thread at any time, and none of them waits for a step.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual const ModelFacts& facts() const = 0;
  /// After an error nothing is delivered. Errors: kQueueFull, kKvCapacity; any other: the engine is broken (503).
  virtual Status submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) = 0;
  /// Ends a choice or all of them; pages are free by the next step. Unknown ids are ignored: the end may have been on
  /// its way.
  virtual void cancel(GenerationId id, uint32_t choice = kAllChoices) = 0;
  /// Takes a generation out of the batch until resume(): its reader is slow.
  virtual void pause(GenerationId id) = 0;
  virtual void resume(GenerationId id) = 0;
  virtual BackendStats stats() const = 0;
  /// False for good before anybody hears that the engine has failed: submit() refuses all from then on.
  virtual bool works() const { return true; }
};

}  // namespace llmc::rt::server
