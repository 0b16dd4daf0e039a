// Address resolution at load, variant choice at each change of T or S.
#include "runtime/exec/bound_program.h"

#include <string>

#include "runtime/format/program_check.h"

namespace llmc::rt {
namespace {

uint64_t word(const void* address) { return reinterpret_cast<uint64_t>(address); }

Status noAddress(const std::string& what) {
  return Status::error(ErrorKind::kInternal, "RT_PLAN", what + " has no address");
}

}  // namespace

Status BoundProgram::bindKernels(const ProgramSource& source) {
  for (const auto* kernel : *source.plan->kernels()) {
    Kernel bound{kernel->dim() == fb::Dim::Row, {}};
    for (const auto* variant : *kernel->variants()) {
      const void* code = source.codeAddress(variant->code()->Get(source.level)->offset());
      if (!code) return noAddress("kernel " + escaped(kernel->name()->string_view()));
      bound.variants.push_back({variant->m_max(), reinterpret_cast<KernelFn>(const_cast<void*>(code))});
    }
    kernels_.push_back(std::move(bound));
  }
  return Status::ok();
}

Status BoundProgram::bindLaunches(const ProgramSource& source, const fb::Program& program, const ProgramMemory& memory,
                                  const UnitCounts& units) {
  for (const auto* phase : *program.phases()) {
    for (const auto* launch : *phase->launches()) {
      launches_.push_back({launch->kernel(), static_cast<uint32_t>(args_.size())});
      for (const auto* arg : *launch->args()) {
        uint64_t address = 0;
        switch (arg->kind()) {
          case fb::ArgKind::Slot:
            address = word(memory.arena) + slotOffset(program, *program.slots()->Get(arg->index()), units);
            break;
          case fb::ArgKind::Weight:
            address = word(source.weightAddress(arg->index()));
            if (!address) return noAddress("weight " + std::to_string(arg->index()));
            break;
          case fb::ArgKind::Kv:
            address = word(memory.kv);
            break;
          case fb::ArgKind::Batch:
            address = word(memory.batch);
            break;
        }
        args_.push_back(address + arg->offset());
      }
    }
    launchEnds_.push_back(static_cast<uint32_t>(launches_.size()));
  }
  return Status::ok();
}

Result<std::unique_ptr<BoundProgram>> BoundProgram::bind(const ProgramSource& source, uint32_t program,
                                                         const ProgramMemory& memory, const StepLimits& limits,
                                                         uint32_t workers) {
  const fb::Program& plan = *source.plan->programs()->Get(program);
  const UnitCounts units = unitCounts(plan, limits, workers);
  std::unique_ptr<BoundProgram> bound(new BoundProgram);
  LLMC_TRY(bound->bindKernels(source));
  LLMC_TRY(bound->bindLaunches(source, plan, memory, units));
  bound->maxTokens_ = plan.t_max();
  const fb::Slot& logits = *plan.slots()->Get(plan.logits_slot());
  bound->logits_ = reinterpret_cast<const float*>(memory.arena + slotOffset(plan, logits, units));
  bound->tiles_ = argmaxTiles(plan, *source.plan);
  if (bound->tiles_ > 0) {
    const fb::Slot& argmax = *plan.slots()->Get(static_cast<uint32_t>(plan.argmax_slot()));
    bound->argmax_ = reinterpret_cast<const float*>(memory.arena + slotOffset(plan, argmax, units));
  }
  bound->calls_.reserve(bound->launches_.size());
  bound->origins_.reserve(bound->launches_.size());
  bound->phaseEnds_.reserve(bound->launchEnds_.size());
  return bound;
}

Walk BoundProgram::walk(uint32_t tokens, uint32_t rows, Numerics numerics) {
  if (tokens == tokens_ && rows == rows_ && numerics == numerics_) return {calls_, phaseEnds_, /*elastic=*/true};
  tokens_ = tokens;
  rows_ = rows;
  numerics_ = numerics;
  calls_.clear();
  origins_.clear();
  phaseEnds_.clear();
  uint32_t launch = 0;
  for (const uint32_t end : launchEnds_) {
    const size_t before = calls_.size();
    for (; launch < end; ++launch) {
      const Kernel& kernel = kernels_[launches_[launch].kernel];
      const uint32_t m = kernel.onRows ? rows : tokens;
      if (m == 0) continue;
      // The last variant takes any M, so the search always ends.
      size_t v = numerics == Numerics::kInvariant ? kernel.variants.size() - 1 : 0;
      while (kernel.variants[v].maxRows != 0 && kernel.variants[v].maxRows < m) ++v;
      calls_.push_back({kernel.variants[v].function, args_.data() + launches_[launch].firstArg});
      origins_.push_back({launches_[launch].kernel, static_cast<uint32_t>(v), kernel.onRows});
    }
    if (calls_.size() > before) phaseEnds_.push_back(static_cast<uint32_t>(calls_.size()));
  }
  return {calls_, phaseEnds_, /*elastic=*/true};
}

}  // namespace llmc::rt
