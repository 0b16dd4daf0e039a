// Names against the table of architectures; a driver is asked for "auto" alone.
#include "compiler/tools/TargetFlag.h"

#include "codegen/cuda/Arch.h"
#include "compiler/tools/CommandLine.h"
#include "runtime/device/cuda/context.h"
#include "runtime/exec/cuda/level_choice.h"
#include "llvm/ADT/STLExtras.h"

namespace llmc {

static std::string knownArchs() {
  std::string known;
  for (const Arch &arch : cudaArchs())
    known += (known.empty() ? "" : ", ") + arch.name.str();
  return known;
}

/// For device 0; for the CPU without a driver, a device, or code for it. Silent only where there is no driver at all.
static Targets ofThisMachine() {
  Targets targets;
  targets.cpu = true;
  const auto onCpu = [&](const rt::Status &status) {
    if (status.code() != "CU_NO_DRIVER")
      targets.notice = "--target auto builds for the CPU: " + status.message();
    return targets;
  };
  auto driver = rt::cuda::Driver::open();
  if (!driver)
    return onCpu(driver.status());
  if (const rt::Status old = rt::cuda::checkDriverVersion((*driver)->version()); !old)
    return onCpu(old);
  auto context = rt::cuda::Context::open(**driver, 0);
  if (!context)
    return onCpu(context.status());
  const rt::cuda::DeviceFacts &facts = (*context)->facts();
  const std::string device = facts.name + " (sm_" + std::to_string(facts.major * 10 + facts.minor) + ")";
  const Arch *arch = findArch(llvm::StringRef(rt::cuda::archFor(facts.major, facts.minor)));
  if (!arch) {
    targets.notice = "--target auto builds for the CPU: " + device + " is older than all of " + knownArchs();
    return targets;
  }
  targets.cpu = false;
  targets.archs.push_back(arch->name.str());
  const bool ownCode = arch->major == facts.major && (arch->minor == facts.minor || !arch->name.ends_with("a"));
  if (!ownCode)
    targets.notice = "--target auto builds for " + arch->name.str() + ": " + device +
                     " has no cubins of its own, its driver compiles the engine's PTX when it loads it";
  return targets;
}

rt::Result<Targets> parseTarget(const std::string &text) {
  Targets targets;
  if (text == "auto")
    return ofThisMachine();
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
