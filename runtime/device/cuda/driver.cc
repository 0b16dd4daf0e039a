// dlopen, the table of entry points, and error codes to Status.
#include "runtime/device/cuda/driver.h"

#include <dlfcn.h>

#include <algorithm>
#include <iterator>

namespace llmc::rt::cuda {
namespace {

Status unavailable(const char* code, std::string message, std::string hint) {
  return Status::error(ErrorKind::kUnavailable, code, std::move(message), std::move(hint));
}

Status linkLibraryOnly(const std::string& library) {
  return unavailable("CU_STUB", library + " is a toolkit's stub for linking, not a driver",
                     "take it out of LD_LIBRARY_PATH, or install the NVIDIA driver");
}

/// After one of these the context is lost; every call of this process would fail.
bool isSticky(CuResult result) {
  static constexpr CuResult kSticky[] = {4 /*deinitialized*/,
                                         46 /*device unavailable*/,
                                         201 /*context lost*/,
                                         214 /*ECC*/,
                                         220 /*NVLink*/,
                                         226 /*contained*/,
                                         700 /*illegal address*/,
                                         702 /*timeout*/,
                                         709 /*context destroyed*/,
                                         710 /*assert*/,
                                         714 /*stack*/,
                                         715 /*instruction*/,
                                         716 /*misaligned*/,
                                         717 /*space*/,
                                         718 /*program counter*/,
                                         719 /*launch failed*/,
                                         721,
                                         999 /*unknown*/};
  return std::find(std::begin(kSticky), std::end(kSticky), result) != std::end(kSticky);
}

bool isCodeFault(CuResult result) {
  return result == kCuInvalidImage || result == kCuNoBinary || result == kCuInvalidPtx || result == kCuUnsupportedPtx;
}

}  // namespace

std::string versionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Result<std::unique_ptr<Driver>> Driver::open(const std::string& library) {
  std::unique_ptr<Driver> driver(new Driver);
  LLMC_TRY(driver->load(library));
  LLMC_TRY(driver->initialize());
  return driver;
}

Driver::~Driver() {
  // Once it has started, a driver's own threads may run until the process ends.
  if (library_ && devices_ == 0) ::dlclose(library_);
}

Status Driver::load(const std::string& library) {
  library_ = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library_) {
    const char* why = ::dlerror();
    return unavailable("CU_NO_DRIVER", std::string("no CUDA driver: ") + (why ? why : library.c_str()),
                       "install the NVIDIA driver, 580 or later");
  }
  // The oldest spelling of this one is enough, so that the version is known even where all else is missing.
  using VersionFunction = CuResult (*)(int*);
  if (auto version = reinterpret_cast<VersionFunction>(::dlsym(library_, "cuDriverGetVersion")))
    if (version(&version_) == kCuStubLibrary) return linkLibraryOnly(library);
  auto find = reinterpret_cast<CuGetProcAddress>(::dlsym(library_, "cuGetProcAddress_v2"));
  if (find) return resolve(find);
  const std::string version = version_ > 0 ? " (for CUDA " + versionText(version_) + ")" : "";
  if (::dlsym(library_, "cuGetProcAddress"))
    return unavailable("CU_OLD_DRIVER", "the CUDA driver" + version + " has no cuGetProcAddress_v2",
                       "install the NVIDIA driver, 580 or later");
  return unavailable("CU_OLD_DRIVER",
                     library + version + " has no cuGetProcAddress: a stub of the toolkit or a driver before 11.3",
                     "install the NVIDIA driver, 580 or later; take a stub out of LD_LIBRARY_PATH");
}

Status Driver::resolve(CuGetProcAddress find) {
  Status missing;
  const auto look = [&](const char* name, int version) -> void* {
    void* function = nullptr;
    int ignored = 0;
    const CuResult result = find(name, &function, version, 0, &ignored);
    if (result == kCuSuccess && function) return function;
    if (missing)
      missing = result == kCuStubLibrary ? linkLibraryOnly("libcuda.so.1")
                                         : unavailable("CU_OLD_DRIVER",
                                                       "the CUDA driver (for CUDA " + versionText(version_) +
                                                           ") has no " + name + " of CUDA " + versionText(version),
                                                       "install the NVIDIA driver, 580 or later");
    return nullptr;
  };
#define LLMC_CUDA_RESOLVE(name, version, ...) \
  api_.name.function = reinterpret_cast<decltype(api_.name.function)>(look(#name, version));
  LLMC_CUDA_ENTRIES(LLMC_CUDA_RESOLVE)
#undef LLMC_CUDA_RESOLVE
  return missing;
}

Status Driver::initialize() {
  const CuResult started = api_.cuInit.function(0);
  if (started == kCuStubLibrary) return linkLibraryOnly("libcuda.so.1");
  if (started != kCuSuccess && started != kCuNoDevice)
    return unavailable("CU_INIT", "the CUDA driver cannot start: cuInit says " + describe(started),
                       "nvidia-smi should list the device; driver and kernel module must be of one version");
  if (started == kCuSuccess) {
    LLMC_TRY(call(api_.cuDriverGetVersion, &version_));
    if (const CuResult counted = api_.cuDeviceGetCount.function(&devices_);
        counted != kCuSuccess && counted != kCuNoDevice)
      return failure("cuDeviceGetCount", counted);
  }
  if (devices_ > 0) return Status::ok();
  return unavailable("CU_NO_DEVICE", "the CUDA driver finds no device",
                     "nvidia-smi lists devices; CUDA_VISIBLE_DEVICES hides them");
}

std::string Driver::describe(CuResult result) const {
  const char *name = nullptr, *text = nullptr;
  if (api_.cuGetErrorName.function(result, &name) != kCuSuccess || !name) name = "error";
  if (api_.cuGetErrorString.function(result, &text) != kCuSuccess || !text) text = "not known to this driver";
  return std::string(name) + " (" + std::to_string(result) + "): " + text;
}

Status Driver::failure(const char* call, CuResult result) const {
  if (isSticky(result)) {
    CuResult none = kCuSuccess;
    if (fault_.compare_exchange_strong(none, result)) faultCall_.store(call);
    return faultStatus();
  }
  const std::string what = std::string(call) + " says " + describe(result);
  if (result == kCuOutOfMemory)
    return unavailable("CU_MEMORY", "the device has not enough memory: " + what, "lower --kv-memory");
  if (isCodeFault(result))
    return Status::error(ErrorKind::kMismatch, "CU_NO_CODE",
                         "the driver (for CUDA " + versionText(version_) + ") does not take the engine's code: " + what,
                         "code made by NVRTC 13 needs the NVIDIA driver 580 or later");
  return Status::error(ErrorKind::kDeviceFault, "CU_CALL", "a call of the CUDA driver failed: " + what);
}

Status Driver::faultStatus() const {
  const char* call = faultCall_.load();
  return Status::error(
      ErrorKind::kDeviceFault, "CU_FAULT",
      "the device has failed: " + std::string(call ? call : "a call") + " says " + describe(fault_.load()),
      "start again; the kernel log (Xid) and nvidia-smi say more");
}

}  // namespace llmc::rt::cuda
