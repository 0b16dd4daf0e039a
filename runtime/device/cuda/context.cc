// Primary context: shared with other users of the device in this process, created on first use.
#include "runtime/device/cuda/context.h"

namespace llmc::rt::cuda {

Result<std::unique_ptr<Context>> Context::open(const Driver& driver, int ordinal) {
  if (ordinal < 0 || ordinal >= driver.devices())
    return Status::error(
        ErrorKind::kUnavailable, "CU_NO_DEVICE",
        "there is no device cuda:" + std::to_string(ordinal) + ": the driver finds " + std::to_string(driver.devices()),
        "cuda:0 is the first; CUDA_VISIBLE_DEVICES hides devices");
  std::unique_ptr<Context> context(new Context(driver));
  context->facts_.ordinal = ordinal;
  LLMC_TRY(driver.call(driver.api().cuDeviceGet, &context->device_, ordinal));
  LLMC_TRY(context->readFacts());
  LLMC_TRY(driver.call(driver.api().cuDevicePrimaryCtxRetain, &context->context_, context->device_));
  LLMC_TRY(context->makeCurrent());
  return context;
}

Context::~Context() {
  if (!context_) return;
  driver_.release(driver_.api().cuCtxSetCurrent, nullptr);
  driver_.release(driver_.api().cuDevicePrimaryCtxRelease, device_);
}

Status Context::readFacts() {
  const DriverApi& api = driver_.api();
  char name[256] = {};
  LLMC_TRY(driver_.call(api.cuDeviceGetName, name, static_cast<int>(sizeof name) - 1, device_));
  facts_.name = name;
  int shared = 0;
  for (auto [attribute, out] :
       {std::pair{kCuMajor, &facts_.major}, std::pair{kCuMinor, &facts_.minor},
        std::pair{kCuMultiprocessors, &facts_.multiprocessors}, std::pair{kCuSharedBytesOptIn, &shared}})
    LLMC_TRY(driver_.call(api.cuDeviceGetAttribute, out, attribute, device_));
  facts_.sharedBytes = static_cast<uint64_t>(shared);
  return Status::ok();
}

Result<DeviceMemory> Context::memory() const {
  size_t free = 0, total = 0;
  LLMC_TRY(driver_.call(driver_.api().cuMemGetInfo, &free, &total));
  return DeviceMemory{free, total};
}

Status Context::makeCurrent() const { return driver_.call(driver_.api().cuCtxSetCurrent, context_); }

}  // namespace llmc::rt::cuda
