// Addresses at load, variants and grids at each step. Phases need no barrier: a stream runs one launch after another.
#include "runtime/exec/cuda/device_program.h"

#include <algorithm>
#include <string>

#include "runtime/format/program_check.h"

namespace llmc::rt::cuda {
namespace {

GridDim gridDim(const fb::GridDim& dim) {
  return {dim.base(), dim.t_tile(), dim.t_count(), dim.s_tile(), dim.s_count(), dim.seq_count()};
}

}  // namespace

void DeviceProgram::bindKernels(const fb::Engine& plan, uint32_t level, const DeviceCode& code) {
  for (uint32_t k = 0; k < plan.kernels()->size(); ++k) {
    const fb::Kernel& kernel = *plan.kernels()->Get(k);
    Kernel& bound = kernels_.emplace_back(Kernel{&kernel, kernel.dim() == fb::Dim::Row, {}});
    for (uint32_t v = 0; v < kernel.variants()->size(); ++v) {
      const fb::Variant& variant = *kernel.variants()->Get(v);
      const fb::LaunchShape& launch = *variant.code()->Get(level)->launch();
      const auto& grid = *launch.grid();
      bound.variants.push_back(
          {variant.m_max(),
           code.function(k, v),
           {gridDim(*grid.Get(0)), gridDim(*grid.Get(1)), gridDim(*grid.Get(2))},
           launch.threads(),
           launch.shared_bytes(),
           mostBlocks(launch.blocks_per_sm(), static_cast<uint32_t>(code.multiprocessors()), launch.cluster()),
           launch.waits()});
    }
  }
}

Status DeviceProgram::bindLaunches(const fb::Program& program, const DeviceAddresses& addresses,
                                   const UnitCounts& units) {
  for (const auto* phase : *program.phases()) {
    for (const auto* launch : *phase->launches()) {
      launches_.push_back({launch->kernel(), static_cast<uint32_t>(args_.size())});
      for (const auto* arg : *launch->args()) {
        CuAddress address = 0;
        switch (arg->kind()) {
          case fb::ArgKind::Slot:
            address = addresses.arena + slotOffset(program, *program.slots()->Get(arg->index()), units);
            break;
          case fb::ArgKind::Weight:
            if (arg->index() >= addresses.weights.size())
              return Status::error(ErrorKind::kInternal, "RT_PLAN",
                                   "weight " + std::to_string(arg->index()) + " has no address");
            address = addresses.weights[arg->index()];
            break;
          case fb::ArgKind::Kv:
            address = addresses.kv;
            break;
          case fb::ArgKind::Batch:
            address = addresses.batch;
            break;
        }
        args_.push_back(address + arg->offset());
      }
    }
  }
  return Status::ok();
}

Result<std::unique_ptr<DeviceProgram>> DeviceProgram::bind(const fb::Engine& plan, uint32_t level, uint32_t program,
                                                           const DeviceCode& code, const DeviceAddresses& addresses,
                                                           const StepLimits& limits, Numerics numerics) {
  const fb::Program& source = *plan.programs()->Get(program);
  const UnitCounts units = unitCounts(source, limits, /*workers=*/1);
  std::unique_ptr<DeviceProgram> bound(new DeviceProgram);
  bound->bindKernels(plan, level, code);
  LLMC_TRY(bound->bindLaunches(source, addresses, units));
  bound->maxTokens_ = source.t_max();
  bound->maxQueries_ = source.q_max();
  bound->numerics_ = numerics;
  const auto addressOf = [&](int64_t slot) -> CuAddress {
    if (slot < 0) return 0;
    return addresses.arena + slotOffset(source, *source.slots()->Get(static_cast<uint32_t>(slot)), units);
  };
  bound->logits_ = addressOf(source.logits_slot());
  bound->argmax_ = addressOf(source.argmax_slot());
  bound->tiles_ = argmaxTiles(source, plan);
  bound->tokens_ = addressOf(source.sample_slot());
  return bound;
}

Status DeviceProgram::enqueue(const Stream& stream, const StepCounts& counts) const {
  bool first = true;  // what is before it in the stream may not be a kernel
  for (const Launch& launch : launches_) {
    const Kernel& kernel = kernels_[launch.kernel];
    const uint32_t m = kernel.onRows ? counts.rows : counts.tokens;
    if (m == 0) continue;
    // The last variant takes any M, so the search always ends.
    size_t v = numerics_ == Numerics::kInvariant ? kernel.variants.size() - 1 : 0;
    while (kernel.variants[v].maxRows != 0 && kernel.variants[v].maxRows < m) ++v;
    const Variant& variant = kernel.variants[v];
    LaunchShape shape{{}, variant.threads, variant.sharedBytes, variant.waits && !first};
    first = false;
    for (size_t i = 0; i < 3; ++i)
      shape.grid[i] = static_cast<uint32_t>(blocks(variant.grid[i], counts.tokens, counts.rows, counts.sequences));
    if (variant.mostBlocks != 0) shape.grid[0] = std::min(shape.grid[0], variant.mostBlocks);
    if (Status status = stream.launch(variant.function, shape, args_.data() + launch.firstArg); !status)
      return Status::error(status.kind(), status.code(),
                           "launch of kernel " + escaped(kernel.plan->name()->string_view()) + ": " + status.message(),
                           status.hint());
  }
  return Status::ok();
}

}  // namespace llmc::rt::cuda
