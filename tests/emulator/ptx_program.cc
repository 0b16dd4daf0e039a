// Loading and launching of PTX modules.
#include "tests/emulator/ptx_program.h"

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/emulator/block.h"
#include "tests/emulator/kernel_compiler.h"
#include "tests/emulator/workers.h"

namespace llmc::emu {
namespace {

/// Memory with the alignment of the device.
struct alignas(128) Chunk {
  std::byte bytes[128];
};

}  // namespace

struct PtxProgram::State {
  std::shared_ptr<const Translation> translation;
  CompiledKernels plain, checked;  ///< each compiled when it is first wanted
  std::vector<Chunk> globals;      ///< variables of the module: its own, as on a device, though objects are loaded once
  std::mutex mutex;                ///< of all

  rt::Result<CompiledKernels> build(bool withChecks) {
    std::lock_guard lock(mutex);
    CompiledKernels& wanted = withChecks ? checked : plain;
    if (!wanted.library) {
      auto compiled = compileKernels(translation->source, withChecks);
      if (!compiled) return compiled.takeStatus();
      wanted = compiled.take();
      if (globals.empty()) setGlobals(wanted.globals);
    }
    return wanted;
  }
  void setGlobals(const Global* list) {
    for (const Global* one = list; one && one->name; ++one) {
      globals.resize(std::max<size_t>(globals.size(), (one->offset + one->bytes) / sizeof(Chunk) + 1));
      std::memcpy(globals.data()->bytes + one->offset, one->initial, one->bytes);
    }
  }
};

namespace {

rt::Status refused(const std::string& what) { return rt::Status::error(rt::ErrorKind::kUsage, "EMU_LAUNCH", what); }

std::string list(const Dim3& d) {
  return "(" + std::to_string(d.x) + "," + std::to_string(d.y) + "," + std::to_string(d.z) + ")";
}

rt::Status checkLaunch(const Entry& entry, const Dim3& grid, const Dim3& block, uint64_t sharedTotal,
                       std::span<const std::byte> params, const LaunchChecks& checks) {
  if (grid.count() == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    return refused(entry.name + ": grid " + list(grid) + " is not possible");
  if (grid.x % entry.cluster != 0)
    return refused(entry.name + ": grid " + list(grid) + " is not whole clusters of " + std::to_string(entry.cluster));
  if (entry.cluster > 1 && (block.count() % 128 != 0 || block.count() * entry.cluster > 1024))
    return refused(entry.name + ": clusters of whole warpgroups and at most 1024 threads are emulated, found " +
                   std::to_string(entry.cluster) + " blocks of " + std::to_string(block.count()));
  if (block.count() == 0 || block.count() > std::min(entry.maxThreads, 1024u) || block.z > 64)
    return refused(entry.name + ": block " + list(block) + ", but the kernel allows " +
                   std::to_string(entry.maxThreads) + " threads");
  if (sharedTotal > checks.sharedLimit)
    return refused(entry.name + ": " + std::to_string(sharedTotal) + " bytes of shared memory of " +
                   std::to_string(checks.sharedLimit));
  if (params.size() != entry.paramBytes)
    return refused(entry.name + ": " + std::to_string(params.size()) + " bytes of parameters, expected " +
                   std::to_string(entry.paramBytes));
  return rt::Status::ok();
}

/// Runs the blocks whose numbers it draws; the first failing block's text wins.
struct GridRun {
  explicit GridRun(const LaunchPlan& launch) : plan(launch) {}

  const LaunchPlan& plan;
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  uint64_t failedBlock = ~0ull;
  std::string failure;
  Counters counters;

  void work() {
    // Stacks and shared memory are kept between launches of one OS thread.
    static thread_local std::unique_ptr<Block> block;
    if (!block) block = std::make_unique<Block>();
    if (!block->isOk()) return fail(0, "no memory for the emulator's stacks");
    block->clear();
    for (uint64_t i = next++; i < units(); i = next++) {
      const uint64_t first = i * plan.cluster;
      Dim3 id{(uint32_t)(first % plan.grid.x), (uint32_t)(first / plan.grid.x % plan.grid.y),
              (uint32_t)(first / ((uint64_t)plan.grid.x * plan.grid.y))};
      std::string text = block->run(plan, id);
      if (text.empty()) continue;
      fail(i, text);
      next = units();
    }
    std::lock_guard lock(mutex);
    counters.add(block->counters());
  }
  /// Blocks, or clusters.
  uint64_t units() const { return plan.grid.count() / plan.cluster; }
  void fail(uint64_t index, const std::string& text) {
    std::lock_guard lock(mutex);
    if (index >= failedBlock) return;
    failedBlock = index;
    failure = text;
  }
};

/// Translations of the last few texts: planted faults run one kernel a hundred times.
rt::Result<std::shared_ptr<const Translation>> translated(std::string_view ptx) {
  constexpr size_t kKept = 4;
  static std::mutex mutex;
  static std::vector<std::pair<std::string, std::shared_ptr<const Translation>>> kept;  // the last used at the end
  {
    std::lock_guard lock(mutex);
    for (size_t i = 0; i < kept.size(); ++i)
      if (kept[i].first == ptx) {
        std::rotate(kept.begin() + (ptrdiff_t)i, kept.begin() + (ptrdiff_t)i + 1, kept.end());
        return kept.back().second;
      }
  }
  auto made = translatePtx(ptx);
  if (!made) return made.takeStatus();
  auto translation = std::make_shared<const Translation>(made.take());
  std::lock_guard lock(mutex);
  if (kept.size() == kKept) kept.erase(kept.begin());
  kept.emplace_back(ptx, translation);
  return std::shared_ptr<const Translation>(translation);
}

rt::Status runGrid(const LaunchPlan& plan) {
  GridRun run(plan);
  uint64_t wanted = plan.checks.checked ? 1 : std::max(1u, plan.checks.osThreads);
  runOnWorkers((unsigned)std::min(wanted, run.units()) - 1, [&] { run.work(); });
  if (plan.checks.counters) plan.checks.counters->add(run.counters);
  if (run.failure.empty()) return rt::Status::ok();
  return rt::Status::error(rt::ErrorKind::kDeviceFault, "EMU_FAULT", run.failure);
}

}  // namespace

PtxProgram::PtxProgram(std::unique_ptr<State> state) : state_(std::move(state)) {}

PtxProgram::~PtxProgram() {
  for (const CompiledKernels* kernels : {&state_->plain, &state_->checked})
    if (kernels->library) dlclose(kernels->library);
}

rt::Result<std::shared_ptr<PtxProgram>> PtxProgram::load(std::string_view ptx, bool checked) {
  auto translation = translated(ptx);
  if (!translation) return translation.takeStatus();
  auto state = std::make_unique<State>();
  state->translation = translation.take();
  LLMC_TRY(state->build(checked).status());
  return std::shared_ptr<PtxProgram>(new PtxProgram(std::move(state)));
}

const std::vector<Entry>& PtxProgram::entries() const { return state_->translation->entries; }

const Entry* PtxProgram::find(std::string_view symbol) const {
  for (const Entry& entry : entries())
    if (entry.name == symbol) return &entry;
  return nullptr;
}

rt::Status PtxProgram::launch(std::string_view symbol, Dim3 grid, Dim3 block, uint32_t sharedBytes,
                              std::span<const std::byte> params, const LaunchChecks& checks) {
  const Entry* entry = find(symbol);
  if (!entry)
    return rt::Status::error(rt::ErrorKind::kMissing, "EMU_SYMBOL", "no kernel '" + std::string(symbol) + "'");
  const uint64_t dynamic =
      (entry->sharedEnd + (uint64_t)entry->dynamicAlign - 1) / entry->dynamicAlign * entry->dynamicAlign;
  LLMC_TRY(checkLaunch(*entry, grid, block, dynamic + sharedBytes - kSharedBase, params, checks));
  auto used = state_->build(checks.checked);
  if (!used) return used.takeStatus();
  const Kernel* kernel = used->kernels;
  while (kernel->name != symbol) ++kernel;
  LaunchPlan plan;
  plan.body = kernel->body;
  plan.kernel = entry->name;
  plan.grid = grid;
  plan.block = block;
  plan.cluster = entry->cluster;
  plan.dynamicShared = (uint32_t)dynamic;
  plan.sharedEnd = (uint32_t)dynamic + sharedBytes;
  std::vector<Chunk> aligned(params.size() / sizeof(Chunk) + 1);
  std::memcpy(aligned.data(), params.data(), params.size());
  plan.params = aligned.data()->bytes;
  plan.early = checks.early;
  plan.checks = checks;
  plan.globalMemory = reinterpret_cast<u8*>(state_->globals.data());
  for (const Global* global = used->globals; global && global->name; ++global)
    plan.globals.add(plan.globalMemory + global->offset, global->bytes, global->name, !global->constant,
                     global->constant);
  return runGrid(plan);
}

}  // namespace llmc::emu
