// The entry points of libcuda.so.1 that the runtime uses, with the signatures of runtime/device/cuda/driver_api.h.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <map>

#include "runtime/device/cuda/driver_api.h"
#include "tests/emulator/fake_driver/driver.h"
#include "tests/emulator/fake_driver/settings.h"

using namespace llmc::rt::cuda;
using namespace llmc::emu;

#define LLMC_API extern "C" __attribute__((visibility("default"))) CuResult
/// Takes the lock and leaves with an injected failure, a fault that stays, or a missing context.
#define LLMC_ENTER(...)                   \
  FakeDriver& driver = FakeDriver::get(); \
  std::lock_guard guard(driver.lock);     \
  if (int early = driver.enter(__VA_ARGS__); early) return early

/// For calls that work in any state of the driver: injected failures alone.
#define LLMC_ENTER_ALWAYS(name)           \
  FakeDriver& driver = FakeDriver::get(); \
  std::lock_guard guard(driver.lock);     \
  if (int early = driver.injected(name); early) return early

namespace {

template <class To, class From>
To* as(From* handle) {
  return reinterpret_cast<To*>(handle);
}

struct ErrorText {
  const char *name, *text;
};

const ErrorText* errorText(CuResult result) {
  static const std::map<CuResult, ErrorText> kTexts = {
      {kSuccess, {"CUDA_SUCCESS", "no error"}},
      {kInvalidValue, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}},
      {kOutOfMemory, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
      {kNotInitialized, {"CUDA_ERROR_NOT_INITIALIZED", "initialization error"}},
      {kInvalidDevice, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}},
      {kInvalidImage, {"CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"}},
      {kInvalidContext, {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"}},
      {kNoBinary, {"CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"}},
      {kInvalidPtx, {"CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"}},
      {kInvalidHandle, {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"}},
      {kNotFound, {"CUDA_ERROR_NOT_FOUND", "named symbol not found"}},
      {kNotReady, {"CUDA_ERROR_NOT_READY", "device not ready"}},
      {kIllegalAddress, {"CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"}},
      {kOutOfResources, {"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"}},
      {kLaunchFailed, {"CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"}},
      {kCaptureUnsupported,
       {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"}},
      {kCaptureInvalidated,
       {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"}},
      {kInvalidClusterSize, {"CUDA_ERROR_INVALID_CLUSTER_SIZE", "invalid cluster size"}},
      {100, {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"}},
      {803, {"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"}},
      {999, {"CUDA_ERROR_UNKNOWN", "unknown error"}}};
  auto found = kTexts.find(result);
  return found == kTexts.end() ? nullptr : &found->second;
}

}  // namespace

LLMC_API cuInit(unsigned) {
  FakeDriver::get().restart();
  LLMC_ENTER("cuInit", false);
  if (settings().devices == 0) return kCuNoDevice;
  driver.initialized = true;
  return kSuccess;
}

LLMC_API cuDriverGetVersion(int* version) {
  LLMC_ENTER_ALWAYS("cuDriverGetVersion");
  *version = settings().version;
  return kSuccess;
}

/// NVRTC asks a driver that it finds for a private table, and crashes where this entry point is not there.
LLMC_API cuGetExportTable(const void** table, const void*) {
  *table = nullptr;
  return kNotFound;
}

LLMC_API cuGetErrorName(CuResult result, const char** name) {
  LLMC_ENTER_ALWAYS("cuGetErrorName");
  const ErrorText* known = errorText(result);
  *name = known ? known->name : nullptr;
  return known ? kSuccess : kInvalidValue;
}

LLMC_API cuGetErrorString(CuResult result, const char** text) {
  LLMC_ENTER_ALWAYS("cuGetErrorString");
  const ErrorText* known = errorText(result);
  *text = known ? known->text : nullptr;
  return known ? kSuccess : kInvalidValue;
}

LLMC_API cuDeviceGetCount(int* count) {
  LLMC_ENTER("cuDeviceGetCount", false);
  *count = settings().devices;
  return kSuccess;
}

LLMC_API cuDeviceGet(CuDevice* device, int ordinal) {
  LLMC_ENTER("cuDeviceGet", false);
  if (ordinal < 0 || ordinal >= settings().devices) return kInvalidDevice;
  *device = ordinal;
  return kSuccess;
}

LLMC_API cuDeviceGetName(char* name, int bytes, CuDevice) {
  LLMC_ENTER("cuDeviceGetName", false);
  std::snprintf(name, (size_t)bytes, "llmc emulated device");
  return kSuccess;
}

LLMC_API cuDeviceGetAttribute(int* value, int attribute, CuDevice) {
  LLMC_ENTER("cuDeviceGetAttribute", false);
  switch (attribute) {
    case kCuMajor:
      *value = settings().major;
      return kSuccess;
    case kCuMinor:
      *value = settings().minor;
      return kSuccess;
    case kCuMultiprocessors:
      *value = (int)settings().threads;
      return kSuccess;
    case kCuSharedBytesOptIn:
      *value = (int)settings().sharedBytes();
      return kSuccess;
    default:
      return driver.refuse("cuDeviceGetAttribute", kInvalidValue, "attribute " + std::to_string(attribute));
  }
}

LLMC_API cuDevicePrimaryCtxRetain(CuContext* context, CuDevice) {
  LLMC_ENTER("cuDevicePrimaryCtxRetain", false);
  ++driver.contexts;
  *context = as<CuContextObject>(&driver);
  return kSuccess;
}

LLMC_API cuDevicePrimaryCtxRelease(CuDevice) {
  LLMC_ENTER_ALWAYS("cuDevicePrimaryCtxRelease");
  if (driver.contexts > 0) --driver.contexts;  // also after a fault
  return driver.fault;
}

LLMC_API cuCtxSetCurrent(CuContext context) {
  LLMC_ENTER("cuCtxSetCurrent", context != nullptr);
  return kSuccess;
}

LLMC_API cuModuleLoadDataEx(CuModule* module, const void* image, unsigned, int*, void**) {
  LLMC_ENTER("cuModuleLoadDataEx");
  std::shared_ptr<CodeModule> loaded;
  std::string why;
  if (int result = CodeModule::load(image, &loaded, &why); result != kSuccess)
    return driver.refuse("cuModuleLoadDataEx", result, why);
  *module = as<CuModuleObject>(loaded.get());
  driver.modules[loaded.get()] = loaded;
  return kSuccess;
}

LLMC_API cuModuleGetFunction(CuFunction* function, CuModule module, const char* name) {
  LLMC_ENTER("cuModuleGetFunction");
  auto found = driver.modules.find(module);
  if (found == driver.modules.end()) return kInvalidHandle;
  std::unique_ptr<DriverFunction> made = found->second->function(found->second, name);
  if (!made) return kNotFound;
  *function = as<CuFunctionObject>(made.get());
  driver.functions[made.get()] = std::move(made);
  return kSuccess;
}

LLMC_API cuModuleUnload(CuModule module) {
  LLMC_ENTER("cuModuleUnload");
  auto found = driver.modules.find(module);
  if (found == driver.modules.end()) return kInvalidHandle;
  std::erase_if(driver.functions, [&](const auto& entry) { return entry.second->module == found->second; });
  driver.modules.erase(found);
  return kSuccess;
}

LLMC_API cuFuncSetAttribute(CuFunction function, int attribute, int value) {
  LLMC_ENTER("cuFuncSetAttribute");
  auto found = driver.functions.find(function);
  if (found == driver.functions.end()) return kInvalidHandle;
  const uint64_t all = (uint64_t)value + found->second->facts.sharedBytes;
  if (attribute != kCuDynamicSharedBytes || value < 0 || all > settings().sharedBytes())
    return driver.refuse("cuFuncSetAttribute", kInvalidValue,
                         std::to_string(all) + " bytes of shared memory a block, static and dynamic, of " +
                             std::to_string(settings().sharedBytes()));
  found->second->dynamicLimit = (uint32_t)value;
  return kSuccess;
}

LLMC_API cuLaunchKernelEx(const CuLaunchConfig* config, CuFunction function, void** params, void** extra) {
  LLMC_ENTER("cuLaunchKernelEx");
  auto found = driver.functions.find(function);
  if (found == driver.functions.end()) return kInvalidHandle;
  if (extra) return driver.refuse("cuLaunchKernelEx", kInvalidValue, "extra parameters are not emulated");
  bool early = false;
  for (unsigned i = 0; i < config->attributeCount; ++i) {
    if (config->attributes[i].id != kCuLaunchEarly)
      return driver.refuse("cuLaunchKernelEx", kInvalidValue,
                           "attribute " + std::to_string(config->attributes[i].id) + " is not emulated");
    early = config->attributes[i].value.flag != 0;
  }
  const auto dim = [](const unsigned* d) { return Dim3{d[0], d[1], d[2]}; };
  return driver.launch(*found->second, dim(config->grid), dim(config->block), config->sharedBytes,
                       as<DriverStream>(config->stream), params, early);
}

LLMC_API cuMemAlloc(CuAddress* address, size_t bytes) {
  LLMC_ENTER("cuMemAlloc");
  if (bytes == 0) return kInvalidValue;
  void* memory = driver.memory.allocate(bytes);
  if (!memory) return kOutOfMemory;
  *address = (CuAddress)memory;
  return kSuccess;
}

LLMC_API cuMemFree(CuAddress address) {
  LLMC_ENTER("cuMemFree");
  if (int result = driver.drainAll(); result != kSuccess) return result;
  return address == 0 || driver.memory.free((void*)address) ? kSuccess : kInvalidValue;
}

LLMC_API cuMemGetInfo(size_t* free, size_t* total) {
  LLMC_ENTER("cuMemGetInfo");
  *total = settings().memoryBytes;
  *free = *total - driver.memory.used();
  return kSuccess;
}

LLMC_API cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
  LLMC_ENTER("cuMemHostAlloc");
  if (bytes == 0) return kInvalidValue;
  *memory = driver.memory.allocateHost(bytes);
  return *memory ? kSuccess : kOutOfMemory;
}

LLMC_API cuMemFreeHost(void* memory) {
  LLMC_ENTER("cuMemFreeHost");
  if (int result = driver.drainAll(); result != kSuccess) return result;
  return driver.memory.freeHost(memory) ? kSuccess : kInvalidValue;
}

LLMC_API cuMemcpyAsync(CuAddress to, CuAddress from, size_t bytes, CuStream stream) {
  LLMC_ENTER("cuMemcpyAsync");
  return driver.copy(to, from, bytes, as<DriverStream>(stream));
}

LLMC_API cuMemsetD8Async(CuAddress to, unsigned char value, size_t bytes, CuStream stream) {
  LLMC_ENTER("cuMemsetD8Async");
  bool bad = false;
  if (driver.memory.place(to, bytes, &bad) != DeviceMemory::Place::kDevice || bad)
    return driver.refuse("cuMemsetD8Async", kInvalidValue, "a range that is not in one buffer of the device");
  return driver.put(as<DriverStream>(stream), FillWork{to, bytes, value});
}
