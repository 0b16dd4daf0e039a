// Numbers that a scheduler is made with, and the check that they fit together.
#pragma once

#include <cstdint>
#include <limits>

#include "runtime/base/status.h"
#include "runtime/exec/workspace.h"

namespace llmc::rt {

enum class Policy : uint8_t {
  kFcfs,      ///< in order of arrival
  kPriority,  ///< by RequestSpec::priority, then arrival; a better one takes the place of a worse one
  kMlfq,      ///< by level: short prompts join high, and who used its share of a level sinks to the next
};
enum class PreemptMode : uint8_t { kRecompute, kSwap };

struct SchedulerConfig {
  /// maxTokens is --max-num-batched-tokens, maxSequences --max-num-seqs, maxContext --max-model-len.
  StepLimits limits;
  uint32_t pages = 0;        ///< KV pages of the device
  uint32_t hostPages = 0;    ///< KV pages of host memory, for kSwap
  uint32_t maxQueue = 1024;  ///< sequences and groups that may wait
  Policy policy = Policy::kFcfs;
  PreemptMode preempt = PreemptMode::kRecompute;
  bool prefixCache = true;
  /// All sequences are exact: prompt and generated tokens never share a chunk, no prompt token comes alone, and only
  /// pages of prompts are cached. So each token is computed by the same code whatever happens.
  bool deterministic = false;
  bool fairKeys = true;           ///< among equals, the key that was served least goes first
  uint32_t maxRunningPerKey = 0;  ///< sequences; the last group may pass it; 0: no bound
  /// Prompt tokens in a step that also decodes: bounds how long a prompt may hold up the others' next token. 0: no
  /// bound.
  uint32_t prefillTokens = 0;
  /// The same bound, learned: one prompt may make such a step about this many times as long as one that only decodes,
  /// a crowd more. Above 1; 0: no bound. See StepPace.
  double promptStretch = 0;
  /// Pages an admission leaves for the growth of what runs already; without it the next step would preempt.
  uint32_t reservePages = 0;
  /// Who waited this long goes before everybody who did not. The bound on waiting is in README.md.
  double starvationSeconds = 30;
  uint32_t mlfqLevels = 5;
  uint32_t mlfqQuantum = 256;  ///< tokens of service in level 0; twice that in each next one
  uint32_t traceEvents = 4096;
};

/// Whether a prompt that is the first to run in a step has room for a chunk that neither is one token nor leaves one,
/// whatever runs beside it. Where not, exact sequences take the tokens of their prompts apart, so that nobody waits for
/// room that never comes.
bool roomForChunks(const SchedulerConfig& config);

/// Error RT_SCHEDULER (64) names the number that does not fit.
Status checkConfig(const SchedulerConfig& config);

}  // namespace llmc::rt
