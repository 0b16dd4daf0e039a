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

rt::Result<Targets> parseTarget(const std::string &text) {
  Targets targets;
  if (text == "auto") {
    if (std::string arch = archOfThisMachine(); !arch.empty())
      targets.archs.push_back(arch);
    targets.cpu = targets.archs.empty();
    return targets;
  }
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(text).split(parts, ',');
  targets.cpu = llvm::is_contained(parts, "cpu");
  llvm::erase(parts, "cpu");
  if (parts.empty())
    return targets;
  if (parts[0] != "cuda" && !parts[0].starts_with("cuda:"))
    return usageError("--target does not know '" + rt::escaped(text) + "'",
                      "expected cpu, auto, cuda:LIST with architectures of " + knownArchs() + ", or cpu,cuda:LIST");
  for (llvm::StringRef &part : parts) {
    part.consume_front("cuda:");
    if (part.empty() || part == "cuda")
      return usageError("--target '" + rt::escaped(text) + "' lacks an architecture",
                        "expected cuda:LIST with one or more of " + knownArchs() + ", separated by commas");
    if (!findArch(part))
      return usageError("unknown CUDA architecture '" + rt::escaped(part.str()) + "'",
                        "known architectures: " + knownArchs());
  }
  for (const Arch &arch : cudaArchs()) // in our order, whatever the user's
    if (llvm::is_contained(parts, arch.name))
      targets.archs.push_back(arch.name.str());
  return targets;
}

} // namespace llmc
