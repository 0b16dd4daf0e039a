// Execution of queued work.
#include "tests/emulator/fake_driver/streams.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>

#include "tests/emulator/fake_driver/settings.h"
#include "tests/emulator/workers.h"

namespace llmc::emu {
namespace {

/// Compiles what the queue will need, several modules at a time: at its first use a program has a dozen.
void compileAhead(const std::vector<Work>& queue) {
  std::vector<CodeModule*> modules;
  for (const Work& work : queue)
    if (const auto* launch = std::get_if<LaunchWork>(&work))
      if (std::find(modules.begin(), modules.end(), launch->module.get()) == modules.end())
        modules.push_back(launch->module.get());
  if (modules.size() < 2) return;
  std::atomic<size_t> next{0};
  auto work = [&] {
    // What does not compile says so again when it runs.
    for (size_t i = next++; i < modules.size(); i = next++) (void)modules[i]->program();
  };
  runOnWorkers((unsigned)std::min<size_t>(settings().threads, modules.size()) - 1, work);
}

int run(const LaunchWork& work, const DeviceMemory& memory, std::string* why) {
  auto program = work.module->program();
  if (!program) {
    *why = program.status().toString();
    return kInvalidPtx;
  }
  if (const Entry* entry = (*program)->find(work.kernel); work.early && entry && !entry->waits) {
    *why = work.kernel + " may start before the kernel before it has ended, but never waits for it";
    return kLaunchFailed;
  }
  LaunchChecks checks;
  checks.osThreads = settings().threads;
  checks.checked = settings().checked;
  checks.memory = &memory.map();
  const auto start = std::chrono::steady_clock::now();
  rt::Status status = (*program)->launch(work.kernel, work.grid, work.block, work.sharedBytes, work.params, checks);
  if (settings().trace) {
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    std::fprintf(stderr, "fake CUDA driver: %s grid (%u,%u,%u) block %u shared %u: %.3f ms\n", work.kernel.c_str(),
                 work.grid.x, work.grid.y, work.grid.z, (unsigned)work.block.count(), work.sharedBytes, ms);
  }
  if (status) return kSuccess;
  *why = status.toString();
  return status.message().find("illegal address") != std::string::npos ? kIllegalAddress : kLaunchFailed;
}

int run(const CopyWork& work, const DeviceMemory&, std::string*) {
  const void* from = work.staged ? work.staged->data() : reinterpret_cast<const void*>(work.from);
  std::memcpy(reinterpret_cast<void*>(work.to), from, work.bytes);
  return kSuccess;
}

int run(const FillWork& work, const DeviceMemory&, std::string*) {
  std::memset(reinterpret_cast<void*>(work.to), work.value, work.bytes);
  return kSuccess;
}

int run(const RecordWork& work, const DeviceMemory&, std::string*) {
  work.event->reached = std::max(work.event->reached, work.serial);
  work.event->when = std::chrono::steady_clock::now();
  return kSuccess;
}

int run(const WaitWork& work, const DeviceMemory& memory, std::string* why) {
  DriverStream* other = work.event->stream;
  return work.event->reached >= work.serial || !other ? kSuccess : drain(*other, memory, why);
}

}  // namespace

int drain(DriverStream& stream, const DeviceMemory& memory, std::string* why) {
  std::vector<Work> queue = std::move(stream.queue);
  stream.queue.clear();
  compileAhead(queue);
  for (const Work& work : queue) {
    const int result = std::visit([&](const auto& one) { return run(one, memory, why); }, work);
    if (result != kSuccess) return result;
  }
  return kSuccess;
}

}  // namespace llmc::emu
