// Each cubin once, each kernel by its symbol.
#include "runtime/exec/cuda/device_code.h"

#include <string>

namespace llmc::rt::cuda {
namespace {

/// `status` with the kernel it is about.
Status about(const fb::Kernel& kernel, const Status& status) {
  return Status::error(status.kind(), status.code(),
                       "kernel " + escaped(kernel.name()->string_view()) + ": " + status.message(), status.hint());
}

}  // namespace

Result<DeviceCode> DeviceCode::load(const Context& context, const fb::Engine& plan, uint32_t level,
                                    const std::function<const void*(uint64_t offset)>& image) {
  DeviceCode code;
  code.multiprocessors_ = context.facts().multiprocessors;
  for (const auto* kernel : *plan.kernels()) {
    auto& functions = code.functions_.emplace_back();
    for (const auto* variant : *kernel->variants()) {
      const fb::CodeRange& range = *variant->code()->Get(level);
      auto found = code.modules_.find(range.offset());
      if (found == code.modules_.end()) {
        const void* bytes = image(range.offset());
        if (!bytes || !variant->symbol() || !range.launch())
          return about(*kernel, Status::error(ErrorKind::kInternal, "RT_PLAN", "has no code"));
        auto module = Module::load(context, bytes);
        if (!module) return about(*kernel, module.status());
        found = code.modules_.emplace(range.offset(), module.take()).first;
      }
      const fb::LaunchShape& launch = *range.launch();
      auto function =
          found->second.kernel(variant->symbol()->str(), launch.shared_bytes(), launch.static_shared_bytes());
      if (!function) return about(*kernel, function.status());
      functions.push_back(*function);
    }
  }
  return code;
}

}  // namespace llmc::rt::cuda
