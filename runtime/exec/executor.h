// Runs steps of a loaded engine: any mix of prompt chunks and decoded tokens in, rows of logits out.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/memory.h"
#include "runtime/device/worker_pool.h"
#include "runtime/exec/batch_builder.h"
#include "runtime/exec/bound_program.h"
#include "runtime/exec/step_backend.h"
#include "runtime/exec/step_observer.h"
#include "runtime/format/engine_reader.h"

namespace llmc::rt {

/// Pages of K and V that block tables name; owned by the caller and larger than the executor's life. On a device `base`
/// is an address of its memory.
struct KvMemory {
  uint8_t* base = nullptr;
  uint32_t pages = 0;
};

/// Weights and code of an engine whose level `level` is activated. `engine` must outlive what is made from it.
ProgramSource sourceOf(const EngineFile& engine, uint32_t level);

/// One engine on one pool of workers, or on a device with the pool for what stays on the host. A step with a sequence
/// that is StepSequence::exact, and with Numerics::kInvariant all steps, take the program for any number of tokens and
/// variants that round alike; what a token gets depends then on its sequence alone, if the caller keeps to the two
/// rules of attention: a prompt comes in chunks of two tokens or more, and generated tokens come one by one or apart.
/// Used by the thread that made the pool. After the first step of each shape a step allocates nothing.
class Executor {
 public:
  /// Errors: RT_MEMORY (69) with the size of the workspace, RT_PLAN (70), RT_LIMITS (64).
  static Result<std::unique_ptr<Executor>> create(const ProgramSource& source, WorkerPool& pool,
                                                  const StepLimits& limits, KvMemory kv,
                                                  Numerics numerics = Numerics::kFast);

  /// Steps run on `backend`, made for the same plan, limits and pages. Error RT_LIMITS (64).
  static Result<std::unique_ptr<Executor>> create(std::unique_ptr<StepBackend> backend, const fb::Engine& plan,
                                                  WorkerPool& pool, const StepLimits& limits, uint32_t pages,
                                                  Numerics numerics = Numerics::kFast);

  /// Runs one step: K and V of all tokens go to the cache, logits of the chosen rows become readable. Errors as
  /// BatchBuilder::build, before anything has run; RT_KERNEL (70) when generated code failed; those of the backend.
  /// `sampling`: for a backend that samples(); as many rows as the step has, or none.
  Status step(std::span<const StepSequence> sequences, const StepSampling& sampling = {});
  bool samples() const { return backend_ && backend_->samples(); }
  /// Whether StepSequence::exact of one sequence does what it says: a backend's numerics are those it was made with.
  bool exactSteps() const { return !backend_; }

  /// The two halves of step(): what is given may change once start() returns. Where ahead(), a second step may start
  /// before the first is finished, if its sampling leaves no row to the host: a token id of -1 - r is then the one that
  /// row r of the first step gets. After an error of start() that step is not under way. On the pool the step has run
  /// when start() returns. Requires of finish(): underWay() > 0.
  Status start(std::span<const StepSequence> sequences, const StepSampling& sampling = {});
  Status finish();
  bool ahead() const { return backend_ && backend_->ahead(); }
  uint32_t underWay() const { return underWay_; }  ///< steps
  /// For people: what the step that runs on the pool is made of. Any thread.
  std::string programName() const;

  /// From now on `observer` hears of each step; it must live as long as it is set. Null: no more measuring. Steps of a
  /// backend, and those that fail, are not told.
  void measure(StepObserver* observer);

  /// Rows of the last step that was started, in the order of its sequences and their tokens.
  uint32_t rows() const { return static_cast<uint32_t>(builder_.batch().rows); }
  /// [vocab] f32 of row `row` of the last step that was finished, as all below, valid until the next is. Requires: a
  /// row of that step, and its sequence asked for logits or tiles(row) is empty.
  std::span<const float> logits(uint32_t row) const;
  /// The token that the step's sampling has chosen for row `row`; -1: the host must.
  int32_t token(uint32_t row) const;
  /// Makes logits(row) readable where the sampling had the row and chose no token. Errors of the backend, which has the
  /// row no more once the next step is under way.
  Status fetchLogits(uint32_t row) { return backend_ ? backend_->fetchLogits(row) : Status::ok(); }
  /// [2 n] f32: the largest logit of each of n tiles, then its first column as a number; empty when the engine does not
  /// find them.
  std::span<const float> tiles(uint32_t row) const;

  /// Idle between steps; for other work of the thread that made it.
  WorkerPool& pool() const { return pool_; }
  const StepLimits& limits() const { return limits_; }
  uint32_t vocabulary() const { return vocabulary_; }
  uint64_t workspaceBytes() const { return arenaBytes_; }  ///< exact, before rounding to huge pages
  /// What steps compute in, whole huge pages; empty where a backend has it.
  std::span<uint8_t> workspace() { return {arena_.data(), arena_.size()}; }

 private:
  Executor(WorkerPool& pool, const StepLimits& limits, uint32_t vocabulary, uint32_t pages, Numerics numerics,
           bool apart);
  Status runOnPool(Numerics numerics);

  WorkerPool& pool_;
  const StepLimits limits_;
  const uint32_t vocabulary_;
  const Numerics numerics_;  ///< kInvariant: of all steps
  Arena arena_;
  uint64_t arenaBytes_ = 0;
  BatchBuilder builder_;
  std::unique_ptr<StepBackend> backend_;                 ///< null: the pool runs the programs
  std::vector<std::unique_ptr<BoundProgram>> programs_;  ///< ascending maxTokens, the last one takes any T
  const float* logits_ = nullptr;                        ///< of the last step
  std::span<const float> tiles_;                         ///< of its first row; empty: the engine finds none
  const float* tokens_ = nullptr;                        ///< of its rows; null: no sampling
  uint32_t underWay_ = 0;                                ///< steps that were started and not finished
  std::atomic<uint32_t> program_{0}, phases_{0};         ///< of the pool's last step: index in programs_, and how many
  StepObserver* observer_ = nullptr;
  WalkTimes times_;  ///< of the last step while observer_ is set
};

}  // namespace llmc::rt
