// The fake driver's rules: initialization, injected failures, faults that stay, launches, copies.
#include "tests/emulator/fake_driver/driver.h"

#include <cstdio>
#include <cstring>

#include "tests/emulator/fake_driver/settings.h"

namespace llmc::emu {

/// Larger copies are weights: looking at them twice would take its time.
static constexpr uint64_t kWatchedBytes = 4 << 20;

FakeDriver& FakeDriver::get() {
  // Never destroyed: programs give memory back while their own statics go.
  static auto* const kDriver = new FakeDriver;
  return *kDriver;
}

void FakeDriver::restart() {
  std::lock_guard guard(lock);
  if (contexts > 0) return;
  readSettings();
  fault = kSuccess;
  calls.clear();
}

int FakeDriver::injected(const char* name) {
  const uint64_t call = ++calls[name];
  auto found = settings().failures.find(name);
  if (found == settings().failures.end()) return kSuccess;
  for (const auto& [number, code] : found->second) {
    if (number != call) continue;
    if (code >= kIllegalAddress && code < 800) fault = code;
    return code;
  }
  return kSuccess;
}

int FakeDriver::enter(const char* name, bool needsContext) {
  if (int code = injected(name); code != kSuccess) return code;
  if (!initialized && std::strcmp(name, "cuInit") != 0) return kNotInitialized;
  if (fault != kSuccess) return fault;
  return needsContext && contexts == 0 ? kInvalidContext : kSuccess;
}

int FakeDriver::refuse(const char* name, int result, const std::string& why) {
  std::fprintf(stderr, "fake CUDA driver: %s: %s\n", name, why.c_str());
  if (result == kIllegalAddress || result == kLaunchFailed) fault = result;
  return result;
}

int FakeDriver::drainStream(DriverStream* stream, const DrainEnd& end) {
  std::string why;
  const int result = drain(*stream, memory, &why, end);
  return result == kSuccess ? kSuccess : refuse("kernel", result, why);
}

int FakeDriver::drainAll() {
  for (DriverStream* stream : streams)
    if (int result = drainStream(stream); result != kSuccess) return result;
  return kSuccess;
}

int FakeDriver::put(DriverStream* stream, Work work) {
  if (!streams.count(stream)) return kInvalidHandle;
  (stream->capture ? stream->capture->work : stream->queue).push_back(std::move(work));
  return kSuccess;
}

int FakeDriver::launch(DriverFunction& function, const Dim3& grid, const Dim3& block, uint32_t sharedBytes,
                       DriverStream* stream, void** params, bool early) {
  const std::string what = "cuLaunchKernelEx of " + function.name;
  if (grid.count() == 0 || grid.y > 65535 || grid.z > 65535 || block.count() == 0)
    return refuse(what.c_str(), kInvalidValue, "a grid or block of no or too many members");
  if (block.count() > function.facts.maxThreads)
    return refuse(
        what.c_str(), kInvalidValue,
        std::to_string(block.count()) + " threads a block, compiled for " + std::to_string(function.facts.maxThreads));
  if (grid.x % function.facts.cluster != 0)
    return refuse(what.c_str(), kInvalidClusterSize,
                  std::to_string(grid.x) + " blocks in clusters of " + std::to_string(function.facts.cluster));
  if (sharedBytes > function.dynamicLimit)
    return refuse(what.c_str(), kInvalidValue,
                  std::to_string(sharedBytes) + " bytes of dynamic shared memory, allowed are " +
                      std::to_string(function.dynamicLimit));
  LaunchWork work{function.module,
                  function.name,
                  grid,
                  block,
                  sharedBytes,
                  std::vector<std::byte>(function.facts.paramBytes),
                  early};
  for (size_t i = 0; i < function.facts.params.size(); ++i) {
    const auto [offset, size] = function.facts.params[i];
    if ((uint64_t)offset + size > work.params.size()) return refuse(what.c_str(), kInvalidImage, "parameters overlap");
    std::memcpy(work.params.data() + offset, params[i], size);
  }
  return put(stream, std::move(work));
}

/// Pinned memory is read and written when the stream gets there: until then it holds no numbers, so that a look at it
/// too early shows, or must stay as it is. What is pageable, as a driver does it: read at once, written before the call
/// returns.
int FakeDriver::copy(uint64_t to, uint64_t from, uint64_t bytes, DriverStream* stream) {
  bool bad = false;
  const DeviceMemory::Place target = memory.place(to, bytes, &bad), source = memory.place(from, bytes, &bad);
  if (bad) return refuse("cuMemcpyAsync", kInvalidValue, "a range that ends outside its buffer");
  if (!streams.count(stream)) return kInvalidHandle;
  CopyWork work{to, from, bytes, nullptr};
  const auto late = [&](DeviceMemory::Place place, uint64_t address) {
    return place == DeviceMemory::Place::kPinned && !stream->capture && bytes <= kWatchedBytes &&
           !copiesTouch(stream->queue, address, bytes);
  };
  work.watched = late(source, from);
  if (work.watched) work.digest = digestOf(from, bytes);
  if (late(target, to)) std::memset(reinterpret_cast<void*>(to), 0xff, bytes);
  if (source == DeviceMemory::Place::kPageable) {
    if (stream->capture) return refuse("cuMemcpyAsync", kCaptureUnsupported, "pageable memory in a recorded stream");
    const auto* data = reinterpret_cast<const std::byte*>(from);
    work.staged = std::make_shared<std::vector<std::byte>>(data, data + bytes);
  }
  if (int result = put(stream, std::move(work)); result != kSuccess) return result;
  return target == DeviceMemory::Place::kPageable && !stream->capture ? drainStream(stream) : kSuccess;
}

}  // namespace llmc::emu
