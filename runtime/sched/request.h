// What a caller asks of the scheduler, the states a sequence goes through, and why it ends.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "runtime/format/layout.h"

namespace llmc::rt {

/// Chosen by the caller; unique among requests that were not collected yet.
using RequestId = uint64_t;

struct RequestSpec {
  RequestId id = 0;
  std::vector<int32_t> prompt;                                ///< token ids, at least one
  uint32_t maxNewTokens = 16;                                 ///< cut to what the context leaves
  uint32_t choices = 1;                                       ///< n: sequences that share the prompt's pages
  int64_t priority = 0;                                       ///< lower goes first (policy `priority`), as vLLM has it
  uint64_t key = 0;                                           ///< whose request: fairness is between keys
  double deadline = std::numeric_limits<double>::infinity();  ///< seconds on the caller's clock
  Digest128 salt;                                             ///< prefixes are shared only under equal salts
  /// Logits of every prompt token, for prompt_logprobs and echo: reads no cached prefix. A prompt that is preempted
  /// before its end gives its first rows again.
  bool allPromptRows = false;
  bool goesOn = false;  ///< part of an answer that has begun: no full queue refuses it
  bool logits = true;   ///< StepSequence::logits of its rows
  /// Its tokens and logits are bitwise those that it has alone, on an executor with exactSteps(): it is scheduled as
  /// with SchedulerConfig::deterministic, and shares cached pages with requests that are exact, too.
  bool exact = false;
  /// The caller's own record of the request, handed back with each sample: no search a token.
  void* owner = nullptr;
};

/// README.md has the table of transitions.
enum class SequenceState : uint8_t {
  kWaiting,     ///< never ran; holds nothing
  kPrefilling,  ///< holds pages for all its tokens, not all computed
  kRunning,     ///< one token a step
  kPreempted,   ///< gave its pages back; will compute its tokens again
  kSwapped,     ///< its pages are in host memory
  kFinished,    ///< holds tokens only, until collect()
};

enum class EndReason : uint8_t {
  kNone,       ///< not ended
  kStop,       ///< the caller said so: end token or stop string
  kLength,     ///< maxNewTokens, or the end of the context
  kCancelled,  ///< cancel()
  kDeadline,   ///< its time ran out
  kFailed,     ///< the step reported a fault for this sequence
};

/// "waiting", "prefilling", ...
const char* stateName(SequenceState state);
/// "stop", "length", "abort" (cancelled), "timeout", "error".
const char* endName(EndReason reason);

}  // namespace llmc::rt
