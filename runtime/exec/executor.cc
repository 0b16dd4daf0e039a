// Picks the program for T, walks it on the workers; or hands the batch to a device.
#include "runtime/exec/executor.h"

#include <x86intrin.h>

#include <algorithm>
#include <string>

#include "runtime/base/limits.h"

namespace llmc::rt {

ProgramSource sourceOf(const EngineFile& engine, uint32_t level) {
  return {&engine.plan(), level, [&engine](uint32_t index) { return engine.weightAddress(index); },
          [&engine, level](uint64_t offset) { return engine.codeAddress(level, offset); }};
}

Executor::Executor(WorkerPool& pool, const StepLimits& limits, uint32_t vocabulary, uint32_t pages, Numerics numerics,
                   bool apart)
    : pool_(pool),
      limits_(limits),
      vocabulary_(vocabulary),
      numerics_(numerics),
      builder_(limits, vocabulary, pages, apart) {}

namespace {

Status checkLimits(const StepLimits& limits) {
  if (limits.maxTokens == 0 || limits.maxTokens > limits::kMaxTokensPerStep || limits.maxRows == 0 ||
      limits.maxRows > limits.maxTokens || limits.maxSequences == 0 || limits.maxSequences > limits.maxTokens ||
      limits.maxContext == 0)
    return Status::error(ErrorKind::kUsage, "RT_LIMITS",
                         "tokens, rows, sequences and context of a step must be positive, rows and sequences at most "
                         "tokens, tokens at most " +
                             std::to_string(limits::kMaxTokensPerStep));
  return Status::ok();
}

}  // namespace

Result<std::unique_ptr<Executor>> Executor::create(std::unique_ptr<StepBackend> backend, const fb::Engine& plan,
                                                   WorkerPool& pool, const StepLimits& limits, uint32_t pages,
                                                   Numerics numerics) {
  LLMC_TRY(checkLimits(limits));
  std::unique_ptr<Executor> executor(
      new Executor(pool, limits, plan.model()->vocab_size(), pages, numerics, numerics == Numerics::kInvariant));
  executor->arenaBytes_ = backend->workspaceBytes();
  executor->backend_ = std::move(backend);
  return executor;
}

Result<std::unique_ptr<Executor>> Executor::create(const ProgramSource& source, WorkerPool& pool,
                                                   const StepLimits& limits, KvMemory kv, Numerics numerics) {
  LLMC_TRY(checkLimits(limits));
  const auto bytes = rt::workspaceBytes(*source.plan, limits, pool.workers());
  if (!bytes) return Status::error(ErrorKind::kUnavailable, "RT_MEMORY", "the workspace overflows 64 bits");
  std::unique_ptr<Executor> executor(
      new Executor(pool, limits, source.plan->model()->vocab_size(), kv.pages, numerics, /*apart=*/true));
  executor->arenaBytes_ = *bytes;
  auto arena = Arena::map(*bytes, "the workspace");
  if (!arena) return arena.takeStatus();
  executor->arena_ = arena.take();
  const ProgramMemory memory{executor->arena_.data(), kv.base, &executor->builder_.batch()};
  const uint32_t programs = source.plan->programs()->size();
  for (uint32_t i = numerics == Numerics::kInvariant ? programs - 1 : 0; i < programs; ++i) {
    auto program = BoundProgram::bind(source, i, memory, limits, pool.workers());
    if (!program) return program.takeStatus();
    executor->programs_.push_back(program.take());
  }
  return executor;
}

Status Executor::step(std::span<const StepSequence> sequences, const StepSampling& sampling) {
  LLMC_TRY(start(sequences, sampling));
  return finish();
}

Status Executor::start(std::span<const StepSequence> sequences, const StepSampling& sampling) {
  const auto misuse = [](std::string what) { return Status::error(ErrorKind::kInternal, "RT_STEP", std::move(what)); };
  if (underWay_ > 0 && (underWay_ > 1 || !ahead() || sampling.rows.empty()))
    return misuse("a step starts beside " + std::to_string(underWay_) + " others");
  LLMC_TRY(builder_.build(sequences, underWay_ > 0 ? rows() : 0));
  if (!sampling.rows.empty() &&
      (!samples() || sampling.rows.size() != rows() || sampling.edits.size() > cuda::kMostEdits))
    return misuse(std::to_string(sampling.rows.size()) + " rows to sample with " +
                  std::to_string(sampling.edits.size()) + " edits in a step of " + std::to_string(rows()));
  const bool exact = std::any_of(sequences.begin(), sequences.end(), [](const auto& s) { return s.exact; });
  LLMC_TRY(backend_ ? backend_->start(builder_.batch(), sampling)
                    : runOnPool(exact ? Numerics::kInvariant : numerics_));
  ++underWay_;
  return Status::ok();
}

Status Executor::finish() {
  --underWay_;
  if (!backend_) return Status::ok();
  tokens_ = nullptr;
  auto results = backend_->finish();
  LLMC_TRY(results.status());
  logits_ = results->logits;
  tiles_ = {results->argmax, uint64_t{2} * results->tiles};
  tokens_ = results->tokens;
  return Status::ok();
}

Status Executor::runOnPool(Numerics numerics) {
  const auto tokens = static_cast<uint32_t>(builder_.batch().tokens);
  size_t choice = numerics == Numerics::kInvariant ? programs_.size() - 1 : 0;
  while (programs_[choice]->maxTokens() != 0 && programs_[choice]->maxTokens() < tokens) ++choice;
  BoundProgram& program = *programs_[choice];
  logits_ = program.logits();
  tiles_ = {program.argmax(), uint64_t{2} * program.tiles()};
  const Walk walk = program.walk(tokens, rows(), numerics);
  program_.store(static_cast<uint32_t>(choice), std::memory_order_relaxed);
  phases_.store(static_cast<uint32_t>(walk.phaseEnds.size()), std::memory_order_relaxed);
  const int32_t code = pool_.run(walk, observer_ ? &times_ : nullptr);
  if (code) return Status::error(ErrorKind::kInternal, "RT_KERNEL", "a kernel returned " + std::to_string(code));
  if (observer_) observer_->add({program, walk, times_, builder_.batch()});
  return Status::ok();
}

std::string Executor::programName() const {
  if (backend_) return "of the device";
  const uint32_t most = programs_[program_.load(std::memory_order_relaxed)]->maxTokens();
  return (most == 0 ? std::string("for any tokens") : "for up to " + std::to_string(most) + " tokens") + ", " +
         std::to_string(phases_.load(std::memory_order_relaxed)) + " phases";
}

void Executor::measure(StepObserver* observer) {
  const uint64_t now = __rdtsc();
  if (observer_) observer_->end(now);
  if (observer) observer->begin(now);
  observer_ = observer;
}

std::span<const float> Executor::logits(uint32_t row) const {
  const uint64_t stride = rowStrideBytes(uint64_t{vocabulary_} * 4) / 4;
  return {logits_ + row * stride, vocabulary_};
}

int32_t Executor::token(uint32_t row) const {
  const float token = tokens_ ? tokens_[row * (rowStrideBytes(4) / 4)] : -1.0f;
  return token >= 0 && token < static_cast<float>(vocabulary_) ? static_cast<int32_t>(token) : -1;
}

std::span<const float> Executor::tiles(uint32_t row) const {
  return tiles_.empty() ? tiles_
                        : std::span(tiles_.data() + row * (rowStrideBytes(tiles_.size_bytes()) / 4), tiles_.size());
}

}  // namespace llmc::rt
