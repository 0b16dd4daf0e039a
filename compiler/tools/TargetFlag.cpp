// Names against the table of architectures; a driver is asked for "auto" alone.
#include "compiler/tools/TargetFlag.h"

#include "codegen/cuda/Arch.h"
#include "compiler/tools/CommandLine.h"
#include "runtime/device/cuda/context.h"
#include "llvm/ADT/STLExtras.h"

namespace llmc {

static std::string knownArchs() {
  std::string known;
  for (const Arch &arch : cudaArchs())
    known += (known.empty() ? "" : ", ") + arch.name.str();
  return known;
}

std::string archForDevice(int major, int minor) {
  std::string best;
  for (const Arch &arch : cudaArchs()) {
    bool own = arch.major == major && arch.minor == minor;
    bool before = arch.major == major && arch.minor < minor && !arch.name.ends_with("a");
    if (own || before)
      best = arch.name.str();
  }
  return best;
}

/// What device 0 runs; empty without a driver, a device, or code for it.
static std::string archOfThisMachine() {
  auto driver = rt::cuda::Driver::open();
  if (!driver)
    return "";
  auto context = rt::cuda::Context::open(**driver, 0);
  return context ? archForDevice((*context)->facts().major, (*context)->facts().minor) : "";
}

rt::Result<std::vector<std::string>> parseTarget(const std::string &text) {
  std::vector<std::string> archs;
  if (text == "cpu")
    return archs;
  if (text == "auto") {
    if (std::string arch = archOfThisMachine(); !arch.empty())
      archs.push_back(arch);
    return archs;
  }
  llvm::StringRef list = text;
  llvm::SmallVector<llvm::StringRef> parts;
  bool cuda = list == "cuda" || list.consume_front("cuda:");
  list.split(parts, ',');
  if (llvm::is_contained(parts, "cpu") && parts.size() > 1)
    return usageError("an engine is for the CPU or for CUDA devices, found '" + rt::escaped(text) + "'",
                      "build two engines, with --target cpu and --target cuda:...");
  if (!cuda)
    return usageError("--target does not know '" + rt::escaped(text) + "'",
                      "expected cpu, auto or cuda:LIST with architectures of " + knownArchs());
  for (llvm::StringRef part : parts)
    if (!findArch(part.starts_with("cuda:") ? part.drop_front(5) : part))
      return usageError("unknown CUDA architecture '" + rt::escaped(part.str()) + "'",
                        "known architectures: " + knownArchs());
  for (const Arch &arch : cudaArchs()) // in our order, whatever the user's
    if (llvm::is_contained(parts, arch.name) || llvm::is_contained(parts, "cuda:" + arch.name.str()))
      archs.push_back(arch.name.str());
  return archs;
}

} // namespace llmc
