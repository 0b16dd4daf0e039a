// A libcuda for tests: host memory as the device's, functions of the test as kernels, errors where a script puts them.
#include <sys/mman.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "tests/unit/runtime/device/cuda/scripted_driver.h"
#include "tests/unit/runtime/device/cuda/scripted_objects.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

using namespace llmc::rt::cuda;
using llmc::rt::test::ScriptedDriver;

extern "C" {
__attribute__((visibility("default"))) llmc::rt::test::CudaScript scriptedState;
}

namespace {

constexpr size_t kWatchedBytes = 1 << 20;
constexpr int kInvalidValue = 1, kNotInitialized = 3, kInvalidHandle = 400, kNotFound = 500, kNotReady = 600;

auto& script = scriptedState;
std::recursive_mutex mutex;
std::map<std::string, CuFunctionObject> kernels;
std::map<CuAddress, size_t> deviceMemory;
std::map<CuAddress, size_t> hostMemory;
std::set<void*> objects;
std::set<CuStream> streams;
uint64_t contexts = 0;
CuContextObject theContext;
int sticky = 0;
bool initialized = false, opened = false;

/// What the script says of this call: 0, or what it is to return.
int scripted() {
  if (sticky) return sticky;
  if (++script.calls != script.failAt) return 0;
  const int code = script.failCode;
  if (code == 4 || code == 46 || code == 214 || code >= 700) sticky = code;
  return code;
}

void protectAll(int protection) {
  for (const auto& [address, bytes] : deviceMemory)
    if (::mprotect(reinterpret_cast<void*>(address), bytes, protection) != 0) std::abort();
}

/// Runs what waits in a stream, up to the record of `until` if there is one: the only time at which device memory may
/// be touched.
void drain(CuStream stream, CuEvent until = nullptr) {
  if (stream->works.empty()) return;
  if (!opened) protectAll(PROT_READ | PROT_WRITE);
  while (!stream->works.empty() && !(until && !sticky && until->passed == until->recorded)) {
    const Work work = std::move(stream->works.front());
    stream->works.pop_front();
    if (!sticky) work();
  }
  if (!opened) protectAll(PROT_NONE);
}

void drainAll() {
  for (CuStream stream : streams) drain(stream);
}

size_t usedBytes() {
  size_t used = 0;
  for (const auto& [address, bytes] : deviceMemory) used += bytes;
  return used;
}

/// Whether [address, address + bytes) lies in one piece of device memory, or in none at all.
bool inBounds(CuAddress address, size_t bytes) {
  auto after = deviceMemory.upper_bound(address);
  if (after != deviceMemory.begin()) {
    const auto& [start, size] = *std::prev(after);
    if (address < start + size) return address + bytes <= start + size;
  }
  return after == deviceMemory.end() || address + bytes <= after->first;
}

void enqueue(CuStream stream, Work work) {
  (stream->capturing ? stream->captured : stream->works).push_back(std::move(work));
}

/// Whether a range lies in pinned memory.
bool pinned(CuAddress address, size_t bytes) {
  auto after = hostMemory.upper_bound(address);
  return after != hostMemory.begin() && address + bytes <= std::prev(after)->first + std::prev(after)->second;
}

std::string bytesAt(CuAddress address, size_t bytes) { return {reinterpret_cast<const char*>(address), bytes}; }

template <typename T>
int make(T** out) {
  const std::lock_guard guard(mutex);
  if (const int code = scripted()) return code;
  *out = new T;
  objects.insert(*out);
  return 0;
}

/// Given back even where the script says that it failed: the caller cannot do more.
template <typename T>
int destroy(T* object) {
  const std::lock_guard guard(mutex);
  if (objects.erase(object) == 0) return kInvalidHandle;
  delete object;
  return scripted();
}

// --- the entry points, by the names of the table ---

int cuInit(unsigned) {
  const int code = scripted();
  initialized = code == 0;
  return code;
}
int cuDriverGetVersion(int* out) {
  *out = script.version;
  return scripted();
}
int cuGetErrorName(int code, const char** out) {
  *out = code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_SCRIPTED";
  return 0;
}
int cuGetErrorString(int, const char** out) {
  *out = "as the script says";
  return 0;
}
int cuDeviceGetCount(int* out) {
  if (!initialized) return kNotInitialized;
  *out = script.devices;
  return scripted();
}
int cuDeviceGet(CuDevice* out, int ordinal) {
  if (ordinal < 0 || ordinal >= script.devices) return kCuNoDevice;
  *out = ordinal;
  return scripted();
}
int cuDeviceGetName(char* out, int bytes, CuDevice) {
  std::strncpy(out, "Scripted GPU", static_cast<size_t>(bytes));
  return scripted();
}
int cuDeviceGetAttribute(int* out, int attribute, CuDevice) {
  *out = attribute == kCuMajor             ? script.major
         : attribute == kCuMinor           ? script.minor
         : attribute == kCuMultiprocessors ? script.multiprocessors
                                           : 227 << 10;
  return scripted();
}
int cuDevicePrimaryCtxRetain(CuContext* out, CuDevice) {
  if (const int code = scripted()) return code;
  ++contexts;
  *out = &theContext;
  return 0;
}
int cuDevicePrimaryCtxRelease(CuDevice) {
  if (contexts == 0) return kInvalidHandle;
  --contexts;
  return scripted();
}
int cuCtxSetCurrent(CuContext) {
  const std::lock_guard guard(mutex);
  return scripted();
}
int cuModuleLoadDataEx(CuModule* out, const void* image, unsigned, int*, void**) {
  const std::string_view start(static_cast<const char*>(image), 4);
  if (start != "\177ELF" && start != ".ver" && start != std::string_view(llmc::rt::test::kScriptedImage, 4))
    return kCuNoBinary;
  return make(out);
}
int cuModuleGetFunction(CuFunction* out, CuModule, const char* symbol) {
  const std::lock_guard guard(mutex);
  if (const int code = scripted()) return code;
  const auto found = kernels.find(symbol);
  if (found == kernels.end()) return kNotFound;
  *out = &found->second;
  return 0;
}
int cuModuleUnload(CuModule module) { return destroy(module); }
int cuFuncSetAttribute(CuFunction function, int attribute, int value) {
  if (attribute != kCuDynamicSharedBytes) return kInvalidValue;
  function->sharedBytes = std::max(function->sharedBytes, value);  // kernels of one name are one here
  return scripted();
}
int cuLaunchKernelEx(const CuLaunchConfig* config, CuFunction function, void** parameters, void**) {
  const std::lock_guard guard(mutex);
  if (const int code = scripted()) return code;
  const auto [x, y, z] = config->grid;
  if (x == 0 || y == 0 || z == 0 || config->block[0] == 0 || config->block[0] > 1024) return kInvalidValue;
  if (static_cast<int>(config->sharedBytes) > function->sharedBytes) return kInvalidValue;
  bool early = false;
  for (unsigned i = 0; i < config->attributeCount; ++i) {
    if (config->attributes[i].id != kCuLaunchEarly) return kInvalidValue;
    early = config->attributes[i].value.flag != 0;
  }
  const auto* words = static_cast<const uint64_t*>(parameters[0]);
  enqueue(config->stream,
          [function, x = x, y = y, z = z, early, copy = std::vector<uint64_t>(words, words + function->words)] {
            const uint32_t grid[3] = {x, y, z};
            ++script.launches;
            script.early += early ? 1 : 0;
            function->kernel(copy.data(), grid);
          });
  return 0;
}
int cuMemAlloc(CuAddress* out, size_t bytes) {
  const std::lock_guard guard(mutex);
  if (const int code = scripted()) return code;
  const size_t rounded = (bytes + 4095) / 4096 * 4096;
  if (rounded > script.freeBytes - std::min<size_t>(usedBytes(), script.freeBytes)) return kCuOutOfMemory;
  void* at = ::mmap(nullptr, rounded, opened ? PROT_READ | PROT_WRITE : PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return kCuOutOfMemory;
  *out = reinterpret_cast<CuAddress>(at);
  deviceMemory.emplace(*out, rounded);
  return 0;
}
int cuMemFree(CuAddress address) {
  const std::lock_guard guard(mutex);
  drainAll();
  const auto found = deviceMemory.find(address);
  if (found == deviceMemory.end()) return kInvalidValue;
  ::munmap(reinterpret_cast<void*>(address), found->second);
  deviceMemory.erase(found);
  return scripted();
}
int cuMemGetInfo(size_t* free, size_t* total) {
  const std::lock_guard guard(mutex);
  *free = script.freeBytes - std::min<size_t>(usedBytes(), script.freeBytes);
  *total = script.totalBytes;
  return scripted();
}
int cuMemHostAlloc(void** out, size_t bytes, unsigned) {
  const std::lock_guard guard(mutex);
  if (const int code = scripted()) return code;
  *out = std::malloc(bytes);
  std::memset(*out, 0xa5, bytes);
  hostMemory.emplace(reinterpret_cast<CuAddress>(*out), bytes);
  return 0;
}
int cuMemFreeHost(void* data) {
  const std::lock_guard guard(mutex);
  drainAll();
  if (hostMemory.erase(reinterpret_cast<CuAddress>(data)) == 0) return kInvalidValue;
  std::free(data);
  return scripted();
}
int cuMemcpyAsync(CuAddress to, CuAddress from, size_t bytes, CuStream stream) {
  const std::lock_guard guard(mutex);
  if (const int code = scripted()) return code;
  if (!inBounds(to, bytes) || !inBounds(from, bytes)) return kInvalidValue;
  ++script.copies;
  // Pinned memory holds no numbers until its copy has run, and must not change before.
  if (pinned(to, bytes) && !stream->capturing) std::memset(reinterpret_cast<void*>(to), 0xff, bytes);
  const bool watched = pinned(from, bytes) && !stream->capturing && bytes <= kWatchedBytes;
  enqueue(stream, [to, from, bytes, watched, before = watched ? bytesAt(from, bytes) : std::string()] {
    if (watched && bytesAt(from, bytes) != before) ++script.changedSources;
    std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
  });
  return 0;
}
int cuMemsetD8Async(CuAddress to, unsigned char value, size_t bytes, CuStream stream) {
  const std::lock_guard guard(mutex);
  if (const int code = scripted()) return code;
  if (!inBounds(to, bytes)) return kInvalidValue;
  enqueue(stream, [to, value, bytes] { std::memset(reinterpret_cast<void*>(to), value, bytes); });
  return 0;
}
int cuStreamCreate(CuStream* out, unsigned) {
  const std::lock_guard guard(mutex);
  const int code = make(out);
  if (code == 0) streams.insert(*out);
  return code;
}
int cuStreamDestroy(CuStream stream) {
  const std::lock_guard guard(mutex);
  drain(stream);
  streams.erase(stream);
  return destroy(stream);
}
int cuStreamSynchronize(CuStream stream) {
  const std::lock_guard guard(mutex);
  if (stream->capturing) return 900;
  drain(stream);
  return scripted();
}
int cuEventCreate(CuEvent* out, unsigned) { return make(out); }
int cuEventRecord(CuEvent event, CuStream stream) {
  const std::lock_guard guard(mutex);
  if (const int code = scripted()) return code;
  event->stream = stream;
  enqueue(stream, [event, serial = ++event->recorded] {
    event->passed = serial;
    event->reached = std::chrono::steady_clock::now();
  });
  return 0;
}
int cuEventSynchronize(CuEvent event) {
  const std::lock_guard guard(mutex);
  if (event->stream && event->passed != event->recorded) drain(event->stream, event);
  return scripted();
}
int cuEventElapsedTime(float* out, CuEvent start, CuEvent end) {
  const std::lock_guard guard(mutex);
  if (start->reached == std::chrono::steady_clock::time_point{} || end->reached < start->reached) return kNotReady;
  *out = std::chrono::duration<float, std::milli>(end->reached - start->reached).count();
  return scripted();
}
int cuEventDestroy(CuEvent event) {
  const std::lock_guard guard(mutex);
  drainAll();
  return destroy(event);
}
int cuStreamBeginCapture(CuStream stream, int) {
  const std::lock_guard guard(mutex);
  if (const int code = scripted()) return code;
  if (stream->capturing) return kInvalidValue;
  stream->capturing = true;
  return 0;
}
int cuStreamEndCapture(CuStream stream, CuGraph* out) {
  const std::lock_guard guard(mutex);
  if (!stream->capturing) return kInvalidValue;
  stream->capturing = false;
  const std::deque<Work> works = std::move(stream->captured);
  stream->captured.clear();
  const int code = make(out);
  if (code == 0) (*out)->works = works;
  return code;
}
int cuGraphInstantiateWithFlags(CuGraphExec* out, CuGraph graph, unsigned long long) {
  const int code = make(out);
  if (code == 0) (*out)->works = graph->works;
  return code;
}
int cuGraphLaunch(CuGraphExec graph, CuStream stream) {
  const std::lock_guard guard(mutex);
  if (const int code = scripted()) return code;
  ++script.graphLaunches;
  for (const Work& work : graph->works) enqueue(stream, work);
  return 0;
}
int cuGraphExecDestroy(CuGraphExec graph) { return destroy(graph); }
int cuGraphDestroy(CuGraph graph) { return destroy(graph); }

}  // namespace

EXPORTED int cuGetProcAddress_v2(const char* name, void** out, int, uint64_t, int* status) {
  *out = nullptr;
  *status = 1;
  if (script.hidden == name) return script.hiddenCode;
#define SCRIPTED_FIND(function, version, ...) \
  if (std::strcmp(name, #function) == 0) *out = reinterpret_cast<void*>(&function);
  LLMC_CUDA_ENTRIES(SCRIPTED_FIND)
#undef SCRIPTED_FIND
  return *out ? 0 : kNotFound;
}

EXPORTED void scriptedReset() {
  script = {};
  kernels.clear();
  sticky = 0;
  initialized = opened = false;
}
EXPORTED uint64_t scriptedAlive() { return contexts + deviceMemory.size() + hostMemory.size() + objects.size(); }
EXPORTED void scriptedAddKernel(const char* symbol, uint32_t words, ScriptedDriver::Kernel kernel) {
  kernels[symbol] = {words, kernel};
}
EXPORTED void scriptedOpenMemory(bool open) {
  opened = open;
  protectAll(open ? PROT_READ | PROT_WRITE : PROT_NONE);
}
