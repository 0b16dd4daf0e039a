// One sequence on one engine file: what checks of a finished build need of the runtime.
#pragma once

#include "runtime/device/worker_pool.h"
#include "runtime/exec/executor.h"
#include "runtime/kv/kv_store.h"
#include "runtime/kv/sequence_cache.h"
#include "runtime/text/tokenizer.h"

#include <memory>
#include <optional>
#include <string>

namespace llmc {

/// Lowest of `levels` (ascending names) that this machine runs. The lowest, not the best: every machine that can run an
/// engine built for all levels then measures the same numbers, and stores the same bytes.
std::optional<std::string> lowestRunnableLevel(const std::vector<std::string> &levels);

/// Workers that are not pinned: threads started while the pool lives may use all CPUs. At most one a physical core.
rt::Result<std::unique_ptr<rt::WorkerPool>> makePool(unsigned threads);

/// Belongs to the thread that made the pool.
class EngineRun {
public:
  /// Weights are not read here, only mapped. `tokens`: the longest sequence; `rows`: most rows of logits a step, and
  /// most tokens. Errors: those of EngineFile and Executor; EN_CPU_ARCH when the engine has no `level`.
  static rt::Result<std::unique_ptr<EngineRun>> open(const std::string &path, const std::string &level,
                                                     rt::WorkerPool &pool, uint32_t tokens, uint32_t rows);

  /// Appends `ids` to the sequence; logits of all of them (or of the last one, as row 0) become readable.
  rt::Status forward(std::span<const int32_t> ids, rt::RowChoice rows);
  std::span<const float> logits(uint32_t row) const { return executor_->logits(row); }
  /// Starts a new sequence.
  void reset() { cache_->truncate(0); }

  const fb::Model &model() const { return *engine_->plan().model(); }
  uint32_t vocabulary() const { return executor_->vocabulary(); }

private:
  EngineRun() = default;

  // In order of construction: what is below uses what is above.
  std::unique_ptr<rt::EngineFile> engine_;
  std::unique_ptr<rt::KvStore> kv_;
  std::unique_ptr<rt::Executor> executor_;
  std::optional<rt::SequenceCache> cache_;
};

} // namespace llmc
