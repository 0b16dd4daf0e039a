// Runs requests through an engine loop on the calling thread until all have ended, and keeps what came.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/serving/engine_loop.h"
#include "tests/unit/runtime/exec/fake_engine.h"

namespace llmc::rt::serving::test {

/// Where the engine's steps run, and their pages.
struct LoopMachine {
  std::unique_ptr<KvStore> kv;
  std::unique_ptr<Executor> executor;
};

/// All that may differ between two runs of the same requests.
struct LoopSetup {
  StepLimits limits{64, 64, 8, 200};
  uint32_t pages = 256, hostPages = 0;
  int threads = 1;
  bool prefixCache = true, deterministic = true;
  Numerics numerics = Numerics::kInvariant;
  uint32_t prefillTokens = 0;
  bool asyncScheduling = true;
  bool memoryAhead = false;                  ///< on the CPU: as a server, none before
  std::map<uint64_t, uint32_t> cancelAfter;  ///< tokens of choice 0 of a generation, which has one choice, till its end
  std::string trace;                         ///< file
  std::function<LoopMachine(const LoopSetup&, WorkerPool&)> machine = {};  ///< none: the CPU
};

/// What a choice got; equal means bitwise.
struct ChoiceOutput {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  std::string end;  ///< "stop", "length", "abort" or the code of an error
  bool operator==(const ChoiceOutput&) const = default;
};
using Output = std::vector<ChoiceOutput>;  ///< [choice]

struct LoopResult {
  std::map<uint64_t, Output> outputs;  ///< by generation
  server::BackendStats stats;
  uint32_t mostSwapped = 0;  ///< of what the loop said before each token
  double mostHostUsage = 0;
  uint64_t kvReady = 0;              ///< MemoryAhead::kvReady(), with memoryAhead
  std::vector<std::string> notices;  ///< of LoopExtras::notice
  Status status = Status::ok();
};

/// Submits requests when as many tokens have come in all as `when` says, in order. Ends when all have ended.
LoopResult runLoop(const rt::test::FakeEngine& engine, const LoopSetup& setup,
                   const std::vector<server::GenerationRequest>& requests, const std::vector<uint32_t>& when = {});

server::GenerationRequest requestOf(uint64_t id, std::vector<int32_t> prompt, uint32_t maxTokens);

}  // namespace llmc::rt::serving::test
