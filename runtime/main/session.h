// A loaded engine ready to run: file, workers, KV memory, executor, and its text side, loaded beside the weights.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/worker_pool.h"
#include "runtime/exec/executor.h"
#include "runtime/format/engine_reader.h"
#include "runtime/kv/kv_plan.h"
#include "runtime/kv/kv_store.h"
#include "runtime/kv/memory_ahead.h"
#include "runtime/main/device_session.h"
#include "runtime/main/flags.h"
#include "runtime/main/sampling_defaults.h"
#include "runtime/text/chat_template.h"
#include "runtime/text/tokenizer.h"

namespace llmc::rt {

/// What a mode needs beyond the flags.
struct SessionNeeds {
  bool text = true;        ///< tokenizer
  uint32_t sequences = 1;  ///< at once
  bool sharedKv = false;   ///< one pool for all sequences, not the full context for each
  uint32_t rows = 1;       ///< rows of logits a step, cut to the tokens of a step
};

/// Owns everything of one engine in use. Belongs to the thread that opened it.
class Session {
 public:
  /// Starts the tokenizer on a thread of its own while weights are verified and mapped. Of an engine for both targets
  /// the CPU's part is opened where the device's memory does not suffice, unless --device, --no-graphs or
  /// --random-weights ask for the device; a notice says so with the sizes.
  static Result<std::unique_ptr<Session>> open(const Flags& flags, const SessionNeeds& needs);

  const fb::Model& model() const { return *engine_->plan().model(); }
  const EngineFile& engine() const { return *engine_; }
  WorkerPool& pool() { return *pool_; }                          ///< of an engine for CUDA: samples, nothing else
  const DeviceSession* device() const { return device_.get(); }  ///< null: the CPU
  const DeviceRoom& room() const { return room_; }               ///< with a device
  KvStore& kv() { return *kv_; }
  Executor& executor() { return *executor_; }
  MemoryAhead* memoryAhead() { return memoryAhead_.get(); }  ///< null on a device
  uint32_t context() const { return plan_.contextTokens; }   ///< tokens of the longest sequence
  /// That what all workers share is spread over; empty: there is one, or the first touch decides.
  std::span<const int> memoryNodes() const { return memoryNodes_; }
  const std::string& levelName() const { return level_; }
  const SamplingDefaults& samplingDefaults() const { return defaults_; }
  const std::vector<int32_t>& eosIds() const { return defaults_.eosIds; }  ///< of plan and generation_config
  double loadMilliseconds() const { return loadMilliseconds_; }            ///< since process start

  /// Waits for the tokenizer. Requires: needs.text. Errors: TK_*, EN_TOKENIZER (65) when the engine has none.
  Result<const Tokenizer*> tokenizer();
  /// Compiled anew at each call. Errors: TM_*, EN_TEMPLATE (65) when the model has no chat template.
  Result<ChatTemplate> chatTemplate();

 private:
  Session() = default;
  void chooseNodes(const Flags& flags);
  void spreadMemory();
  Status openEngine(const Flags& flags);
  uint32_t choosePlan(const std::string& wanted, std::span<const fb::Engine* const> plans);
  Status load(const Flags& flags, const SessionNeeds& needs);
  bool cpuInstead(const Flags& flags, const Status& status) const;
  Status chooseLevel(const Flags& flags);
  Status planMemory(const Flags& flags, const SessionNeeds& needs);
  Status makeExecutor(const Flags& flags, const SessionNeeds& needs);
  void makeMemoryReady(const SessionNeeds& needs);

  // In order of construction: what is below uses what is above.
  std::vector<int> memoryNodes_;
  std::future<Result<Tokenizer>> loadingTokenizer_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<EngineFile> engine_;
  uint32_t levelIndex_ = 0;
  std::string level_;
  SamplingDefaults defaults_;
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<DeviceSession> device_;
  bool cpuWouldDo_ = false;  ///< the engine is for both targets, and device_ was chosen without a wish
  DeviceRoom room_;
  KvPlan plan_;
  std::unique_ptr<KvStore> kv_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<MemoryAhead> memoryAhead_;
  double loadMilliseconds_ = 0;
};

/// What `session`'s model is called where no flag names it: as its own files do, else as the engine's file without
/// folder and ".bin". `enginePath` as the user gave it.
std::string modelName(const Session& session, const std::string& enginePath);

/// The tokenizer of the engine at `path`, without its weights.
Result<Tokenizer> loadTokenizer(const std::string& path);

}  // namespace llmc::rt
