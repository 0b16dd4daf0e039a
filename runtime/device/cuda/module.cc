// Loading and looking up.
#include "runtime/device/cuda/module.h"

#include "runtime/device/memory.h"

namespace llmc::rt::cuda {
namespace {

constexpr uint32_t kSharedBytesAlways = 48u << 10;  ///< what a block may have without asking, static and dynamic

}  // namespace

Result<Module> Module::load(const Context& context, const void* image) {
  Module module;
  module.context_ = &context;
  LLMC_TRY(context.driver().call(context.driver().api().cuModuleLoadDataEx, &module.module_, image, 0u,
                                 static_cast<int*>(nullptr), static_cast<void**>(nullptr)));
  return module;
}

Module& Module::operator=(Module&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(module_, other.module_);
  return *this;
}

Module::~Module() {
  if (module_) context_->driver().release(context_->driver().api().cuModuleUnload, module_);
}

Result<CuFunction> Module::kernel(const std::string& symbol, uint32_t sharedBytes, uint32_t staticBytes) const {
  const Driver& driver = context_->driver();
  CuFunction function = nullptr;
  if (Status status = driver.call(driver.api().cuModuleGetFunction, &function, module_, symbol.c_str()); !status)
    return Status::error(status.kind(), status.code(), "kernel " + escaped(symbol) + ": " + status.message(),
                         status.hint());
  const uint64_t all = uint64_t{sharedBytes} + staticBytes;
  if (all <= kSharedBytesAlways) return function;
  if (all > context_->facts().sharedBytes)
    return Status::error(ErrorKind::kMismatch, "CU_SHARED",
                         "kernel " + escaped(symbol) + " needs " + formatBytes(all) + " of shared memory a block, " +
                             context_->facts().name + " has " + formatBytes(context_->facts().sharedBytes),
                         "build the engine for this device");
  LLMC_TRY(
      driver.call(driver.api().cuFuncSetAttribute, function, kCuDynamicSharedBytes, static_cast<int>(sharedBytes)));
  return function;
}

}  // namespace llmc::rt::cuda
