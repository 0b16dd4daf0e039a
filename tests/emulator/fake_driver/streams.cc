// Execution of queued work.
#include "tests/emulator/fake_driver/streams.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <string>

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

int run(const CopyWork& work, const DeviceMemory&, std::string* why) {
  if (work.watched && digestOf(work.from, work.bytes) != work.digest) {
    *why = "a copy of " + std::to_string(work.bytes) + " bytes of pinned memory that the host changed before its turn";
    return kLaunchFailed;
  }
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
  return work.event->reached >= work.serial || !other ? kSuccess
                                                      : drain(*other, memory, why, {work.event, work.serial});
}

}  // namespace

/// How many works of a queue run.
static size_t lengthUntil(const std::vector<Work>& queue, const DrainEnd& end) {
  for (size_t i = 0; i < queue.size() && end.event; ++i)
    if (const auto* record = std::get_if<RecordWork>(&queue[i]))
      if (record->event == end.event && record->serial >= end.serial) return i + 1;
  return queue.size();
}

int drain(DriverStream& stream, const DeviceMemory& memory, std::string* why, const DrainEnd& end) {
  const auto last = stream.queue.begin() + (ptrdiff_t)lengthUntil(stream.queue, end);
  std::vector<Work> queue(std::make_move_iterator(stream.queue.begin()), std::make_move_iterator(last));
  stream.queue.erase(stream.queue.begin(), last);
  compileAhead(queue);
  for (const Work& work : queue) {
    const int result = std::visit([&](const auto& one) { return run(one, memory, why); }, work);
    if (result != kSuccess) return result;
  }
  return kSuccess;
}

bool copiesTouch(const std::vector<Work>& queue, uint64_t address, uint64_t bytes) {
  return std::any_of(queue.begin(), queue.end(), [&](const Work& work) {
    const auto* copy = std::get_if<CopyWork>(&work);
    const auto overlaps = [&](uint64_t at) { return at < address + bytes && address < at + copy->bytes; };
    return copy && (overlaps(copy->to) || overlaps(copy->from));
  });
}

uint64_t digestOf(uint64_t address, uint64_t bytes) {
  const auto* data = reinterpret_cast<const std::byte*>(address);
  uint64_t digest = bytes;
  for (uint64_t at = 0; at < bytes; at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, data + at, std::min<uint64_t>(8, bytes - at));
    digest = (digest ^ word) * 0x9E3779B97F4A7C15ull;
    digest ^= digest >> 29;
  }
  return digest;
}

}  // namespace llmc::emu
