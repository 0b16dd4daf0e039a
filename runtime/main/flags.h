// The command line of llmc-run as a checked struct.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/main/error_context.h"

namespace llmc::rt {

enum class Mode : uint8_t {
  kServe,
  kGenerate,
  kChat,
  kPerplexity,
  kBench,
  kCheck,
  kSelftest,
  kTokenize,
  kSimulate,
  kHelp,
  kVersion
};

/// Everything that was asked for. Unset optionals mean the default named in --help.
struct Flags {
  Mode mode = Mode::kHelp;
  std::string engine;
  std::vector<std::string> notices;  ///< of flags that are taken and have no effect

  // Exactly one of these in Mode::kGenerate.
  std::optional<std::string> prompt, promptFile, message;
  std::vector<int32_t> promptIds;
  std::optional<std::string> system;  ///< with message or chat; none: what the template says by itself

  std::optional<uint32_t> maxTokens;
  std::optional<double> temperature, topP, minP, typicalP, repetitionPenalty, presencePenalty, frequencyPenalty;
  std::optional<int32_t> topK;
  std::optional<uint64_t> seed;  ///< serving: of requests that bring none
  uint32_t minTokens = 0;
  std::vector<std::string> stop;
  bool ignoreEos = false;
  int32_t logprobs = -1;
  bool json = false;

  std::string device;               ///< "cpu", "cuda:N"; empty or "auto": the one that the engine is for
  bool graphs = true;               ///< on a CUDA device
  bool eager = false;               ///< vLLM's name for no graphs; a CPU, which has none, takes it too
  bool randomWeights = false;       ///< of --bench and servers on a CUDA device: made up there
  int threads = 0;                  ///< 0: one a physical core
  uint32_t maxModelLen = 0;         ///< tokens; 0: the model's
  uint64_t kvMemory = 0;            ///< bytes; 0: what the context needs
  uint32_t maxBatchedTokens = 512;  ///< tokens a step
  bool verifyWeights = true;
  std::string dumpLogits;  ///< file; empty: none

  std::string perplexityFile;
  uint32_t chunk = 0;  ///< tokens; 0: 512, or the context if that is shorter
  uint32_t benchPromptTokens = 128, benchOutputTokens = 128, benchStreams = 1, benchRepeat = 3;
  bool profile = false;  ///< of --bench
  std::string tokenize;
  std::string simulate, stepCost;            ///< files; stepCost empty: measured
  std::optional<double> clientMicroseconds;  ///< of --simulate: CPU time of clients on these CPUs for a token; none: 0

  // Serving.
  std::string host = "127.0.0.1";
  uint32_t port = 8000;
  std::vector<std::string> apiKeys, servedNames;
  std::optional<std::string> apiKeyFile;
  std::string generationConfig = "auto", overrideGenerationConfig;  ///< the latter JSON, or empty
  bool openMetrics = false;
  uint32_t maxSequences = 64, maxQueue = 1024;
  std::string policy = "fcfs";
  std::optional<double> promptStretch;  ///< unset: 2
  bool prefixCache = true;
  bool deterministic = false;  ///< of --bench too
  bool asyncScheduling = true;
  std::string preempt = "recompute";
  uint64_t swapSpace = uint64_t{4} << 30;  ///< bytes, for preempt "swap"
  bool swapSpaceGiven = false;
  std::string trace;  ///< file; empty: none
  double drainSeconds = 30;
  uint32_t watchdogSeconds = 30;              ///< 0: none
  std::string logFormat = "text", accessLog;  ///< accessLog empty: none, -: stderr
  std::string metricsPrefix = "vllm";
  bool oldMetricNames = false;
};

/// `context`, unless null, gets what is known of the command line even where it cannot be read as a whole. Errors
/// CLI_FLAG, CLI_NUMBER, CLI_MODE (64), CLI_CONFIG (65, 66).
Result<Flags> parseFlags(int argc, const char* const* argv, ErrorContext* context = nullptr);

}  // namespace llmc::rt
