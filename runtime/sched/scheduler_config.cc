// Each rule keeps one promise of the scheduler; without it a request could wait for ever.
#include "runtime/sched/scheduler_config.h"

#include <string>

#include "runtime/format/kernel_abi.h"

namespace llmc::rt {
namespace {

/// Prompt tokens for which a step has room: a chunk takes two and must not leave one.
constexpr uint32_t kLeastChunk = 3;

}  // namespace

bool roomForChunks(const SchedulerConfig& config) {
  const StepLimits& limits = config.limits;
  const uint32_t least = limits.maxSequences - 1 + kLeastChunk;
  return limits.maxTokens >= least && limits.maxRows >= least &&
         (config.prefillTokens == 0 || config.prefillTokens >= kLeastChunk);
}

Status checkConfig(const SchedulerConfig& config) {
  const StepLimits& limits = config.limits;
  const auto fault = [](std::string text) { return Status::error(ErrorKind::kUsage, "RT_SCHEDULER", std::move(text)); };
  // `least` is the name of the number behind it and ends in a blank, or is empty.
  const auto needs = [&fault](const char* what, uint64_t is, const std::string& least, uint64_t atLeast) {
    return fault(std::string(what) + " is " + std::to_string(is) + ", at least " + least + std::to_string(atLeast) +
                 " is needed");
  };
  if (limits.maxSequences == 0) return needs("--max-num-seqs", 0, "", 1);
  if (limits.maxContext < 2) return needs("--max-model-len", limits.maxContext, "", 2);
  // Every running sequence decodes in every step.
  if (limits.maxTokens < limits.maxSequences)
    return needs("--max-num-batched-tokens", limits.maxTokens, "--max-num-seqs ", limits.maxSequences);
  if (limits.maxRows < limits.maxSequences)
    return needs("the number of logit rows", limits.maxRows, "--max-num-seqs ", limits.maxSequences);
  if (config.deterministic && limits.maxTokens < limits.maxSequences - 1 + kLeastChunk)
    return needs("with --deterministic, --max-num-batched-tokens", limits.maxTokens,
                 "--max-num-seqs + 2 = ", limits.maxSequences - 1 + kLeastChunk);
  if (config.deterministic && limits.maxRows < limits.maxSequences - 1 + kLeastChunk)
    return needs("with --deterministic, the number of logit rows", limits.maxRows,
                 "--max-num-seqs + 2 = ", limits.maxSequences - 1 + kLeastChunk);
  if (config.deterministic && config.prefillTokens > 0 && config.prefillTokens < kLeastChunk)
    return needs("with --deterministic, the number of prompt tokens a step", config.prefillTokens, "", kLeastChunk);
  // The last sequence standing must fit alone.
  const uint64_t contextPages = (uint64_t{limits.maxContext} + kPageTokens - 1) / kPageTokens;
  if (config.pages < contextPages)
    return needs("the number of KV pages", config.pages, "one context of ", contextPages);
  if (config.maxQueue == 0) return needs("--max-queue", 0, "", 1);
  if (config.policy == Policy::kMlfq && (config.mlfqLevels == 0 || config.mlfqLevels > 32 || config.mlfqQuantum == 0))
    return fault("mlfq needs 1 to 32 levels and a quantum");
  if (config.promptStretch != 0 && !(config.promptStretch > 1))
    return fault("--prompt-stretch must be above 1, or 0 for no bound");
  if (!(config.starvationSeconds >= 0)) return fault("the starvation bound must not be negative");
  return Status::ok();
}

}  // namespace llmc::rt
