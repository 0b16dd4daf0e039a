// One copy, one graph or some launches, one copy back, one event; a wait for it later.
#include "runtime/exec/cuda/device_backend.h"

#include <algorithm>
#include <bit>
#include <string>
#include <string_view>

#include "runtime/base/checked.h"

namespace llmc::rt::cuda {

std::optional<uint64_t> DeviceBackend::bytesFor(const fb::Engine& plan, const StepLimits& limits, Numerics numerics) {
  const auto arena = rt::workspaceBytes(plan, limits, /*workers=*/1);
  const uint64_t tokens = uint64_t{limits.maxRows} * rowStrideBytes(4);
  return arena ? checkedAdd(*arena, DeviceBatch::bytesFor(limits, numerics) + tokens) : std::nullopt;
}

Result<std::unique_ptr<DeviceBackend>> DeviceBackend::create(const Stream& stream, DeviceEngine engine,
                                                             const StepLimits& limits, CuAddress kv,
                                                             const BackendOptions& options) {
  if (limits.maxTokens > kMaxStepTokens)
    return Status::error(ErrorKind::kUsage, "RT_LIMITS",
                         std::to_string(limits.maxTokens) + " tokens a step, a CUDA device takes at most " +
                             std::to_string(kMaxStepTokens),
                         "lower --max-num-batched-tokens");
  const auto bytes = rt::workspaceBytes(*engine.plan, limits, /*workers=*/1);
  if (!bytes) return Status::error(ErrorKind::kUnavailable, "RT_MEMORY", "the workspace overflows 64 bits");
  std::unique_ptr<DeviceBackend> backend(new DeviceBackend(stream, std::move(engine), limits));
  auto arena = DeviceBuffer::create(stream.context(), *bytes, "the workspace");
  LLMC_TRY(arena.status());
  backend->arena_ = arena.take();
  auto batch = DeviceBatch::create(stream.context(), limits, options.numerics);
  LLMC_TRY(batch.status());
  backend->batch_ = batch.take();
  // Rows past T that kernels may read hold numbers then, not NaN.
  LLMC_TRY(stream.fill(backend->arena_.address(), 0, *bytes));
  LLMC_TRY(backend->reserveLogits(std::min(limits.maxRows, limits.maxSequences)));
  LLMC_TRY(backend->bindPrograms(kv, options));
  LLMC_TRY(backend->reserveResults());
  if (options.graphs) LLMC_TRY(backend->recordGraphs());
  LLMC_TRY(stream.synchronize());
  return backend;
}

Status DeviceBackend::bindPrograms(CuAddress kv, const BackendOptions& options) {
  const uint32_t count = engine_.plan->programs()->size();
  const DeviceAddresses addresses{arena_.address(), kv, batch_.address(), engine_.weights.addresses()};
  for (uint32_t i = options.numerics == Numerics::kInvariant ? count - 1 : 0; i < count; ++i) {
    auto program =
        DeviceProgram::bind(*engine_.plan, engine_.level, i, engine_.code, addresses, limits_, options.numerics);
    LLMC_TRY(program.status());
    programs_.push_back(program.take());
  }
  return Status::ok();
}

Status DeviceBackend::recordGraphs() {
  for (const auto& program : programs_)
    if (program->decodes() && program->takes(limits_.maxSequences, 1)) graphed_ = program.get();
  if (!graphed_) return Status::ok();
  for (uint32_t sequences = 1;; sequences = std::min(sequences * 2, limits_.maxSequences)) {
    const StepCounts counts{sequences, std::min(sequences, limits_.maxRows), sequences};
    auto graph = Graph::capture(stream_, [&] { return graphed_->enqueue(stream_, counts); });
    LLMC_TRY(graph.status());
    graphs_.push_back({sequences, graph.take()});
    if (sequences == limits_.maxSequences) return Status::ok();
  }
}

Status DeviceBackend::reserveLogits(uint32_t rows) {
  const uint64_t stride = rowStrideBytes(uint64_t{engine_.plan->model()->vocab_size()} * 4);
  const uint64_t wanted = std::min(std::bit_ceil(std::max(rows, 1u)), std::max(limits_.maxRows, 1u)) * stride;
  if (logits_.size() >= wanted) return Status::ok();
  auto buffer = PinnedBuffer::create(stream_.context(), wanted, "rows of logits");
  LLMC_TRY(buffer.status());
  logits_ = buffer.take();
  return Status::ok();
}

Status DeviceBackend::reserveResults() {
  uint64_t tiles = 0, tokens = rowStrideBytes(4);
  for (const auto& program : programs_) {
    if (program->tiles() > 0) tiles = std::max(tiles, rowStrideBytes(uint64_t{8} * program->tiles()));
    if (program->tokens() == 0) tokens = 0;
  }
  const uint64_t rows = std::max(limits_.maxRows, 1u);
  const auto pinned = [&](uint64_t row, PinnedBuffer& buffer, std::string_view what) {
    if (row == 0) return Status::ok();
    auto made = PinnedBuffer::create(stream_.context(), row * rows, what);
    LLMC_TRY(made.status());
    buffer = made.take();
    return Status::ok();
  };
  LLMC_TRY(pinned(tiles, tiles_, "the largest logits"));
  for (Flight& flight : flights_) {
    LLMC_TRY(pinned(tokens, flight.tokens, "tokens"));
    auto done = Event::create(stream_.context());
    LLMC_TRY(done.status());
    flight.done = done.take();
  }
  if (tokens == 0) return Status::ok();
  auto last = DeviceBuffer::create(stream_.context(), tokens * rows, "tokens");
  LLMC_TRY(last.status());
  lastTokens_ = last.take();
  return stream_.fill(lastTokens_.address(), 0, tokens * rows);
}

const DeviceProgram& DeviceBackend::programFor(const Batch& batch) const {
  int32_t most = 0;
  for (int32_t i = 0; i < batch.sequences; ++i) most = std::max(most, batch.queryStarts[i + 1] - batch.queryStarts[i]);
  for (const auto& program : programs_)
    if (program->takes(static_cast<uint32_t>(batch.tokens), static_cast<uint32_t>(most))) return *program;
  return *programs_.back();  // takes any step: the reader has checked it
}

Status DeviceBackend::enqueue(const Batch& batch, const DeviceProgram& program) {
  const auto sequences = static_cast<uint32_t>(batch.sequences);
  if (&program == graphed_)
    for (const Bucket& bucket : graphs_)
      if (sequences <= bucket.sequences) return bucket.graph.launch(stream_);
  return program.enqueue(stream_, {static_cast<uint32_t>(batch.tokens), static_cast<uint32_t>(batch.rows), sequences});
}

Status DeviceBackend::copyLogits(const DeviceProgram& program, uint32_t first, uint32_t end) {
  const uint64_t stride = rowStrideBytes(uint64_t{engine_.plan->model()->vocab_size()} * 4);
  return stream_.copy(hostAddress(logits_.data() + first * stride), program.logits() + first * stride,
                      (end - first) * stride);
}

/// To where the next step's embedding finds them, past the arena that its kernels write to, and to the host.
Status DeviceBackend::copyTokens(const DeviceProgram& program, uint32_t rows) {
  const uint64_t bytes = rows * rowStrideBytes(4);
  LLMC_TRY(stream_.copy(lastTokens_.address(), program.tokens(), bytes));
  return stream_.copy(hostAddress(flights_[started_ % 2].tokens.data()), lastTokens_.address(), bytes);
}

/// Tokens of all rows where they are sampled here, else their tiles; logits of those that somebody reads, neighbours in
/// one copy. Without tiles all logits.
Status DeviceBackend::copyBack(const Batch& batch, const StepSampling& sampling, const DeviceProgram& program) {
  const auto rows = static_cast<uint32_t>(batch.rows);
  if (rows == 0) return Status::ok();
  const bool all = program.tiles() == 0, sampled = !sampling.rows.empty();
  if (sampled)
    LLMC_TRY(copyTokens(program, rows));
  else if (!all)
    LLMC_TRY(stream_.copy(hostAddress(tiles_.data()), program.argmax(),
                          rows * rowStrideBytes(uint64_t{8} * program.tiles())));
  const auto wanted = [&](uint32_t row) {
    return all || (batch.logitsWanted[row] > 0 && (!sampled || sampling.rows[row].mode == SampleMode::kHost));
  };
  for (uint32_t first = 0, end = 0; first < rows; first = end) {
    end = first + 1;
    if (!wanted(first)) continue;
    while (end < rows && wanted(end)) ++end;
    LLMC_TRY(copyLogits(program, first, end));
  }
  return Status::ok();
}

Status DeviceBackend::enqueueStep(const Batch& batch, const StepSampling& sampling) {
  Flight& flight = flights_[started_ % 2];
  flight.program = &programFor(batch);
  flight.sampled = !sampling.rows.empty();
  LLMC_TRY(batch_.send(stream_, batch, sampling, lastTokens_.address()));
  LLMC_TRY(enqueue(batch, *flight.program));
  LLMC_TRY(copyBack(batch, sampling, *flight.program));
  return stream_.record(flight.done);
}

Status DeviceBackend::start(const Batch& batch, const StepSampling& sampling) {
  LLMC_TRY(reserveLogits(static_cast<uint32_t>(batch.rows)));
  if (Status status = enqueueStep(batch, sampling); !status) {
    // What was enqueued reads a block that a later step fills.
    (void)stream_.synchronize();
    return status;
  }
  ++started_;
  return Status::ok();
}

Result<StepResults> DeviceBackend::finish() {
  const Flight& flight = flights_[finished_++ % 2];
  LLMC_TRY(flight.done.wait());
  StepResults results{reinterpret_cast<const float*>(logits_.data()), 0, nullptr, nullptr};
  if (flight.sampled) {
    results.tokens = reinterpret_cast<const float*>(flight.tokens.data());
  } else {
    results.tiles = flight.program->tiles();
    results.argmax = reinterpret_cast<const float*>(tiles_.data());
  }
  return results;
}

Status DeviceBackend::fetchLogits(uint32_t row) {
  if (finished_ == 0 || started_ != finished_)
    return Status::error(ErrorKind::kInternal, "RT_STEP",
                         started_ == 0 ? "logits are asked for before the first step"
                                       : "logits are asked for while a step is under way");
  LLMC_TRY(copyLogits(*flights_[(finished_ - 1) % 2].program, row, row + 1));
  return stream_.synchronize();
}

}  // namespace llmc::rt::cuda
