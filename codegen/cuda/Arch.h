// The NVIDIA GPU architectures that an engine can hold code for, and what the generator may use on each.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>

namespace llmc {

/// One architecture. `name` is what users type after `--target cuda:` and what NVRTC is asked for.
struct Arch {
  llvm::StringRef name;   ///< "sm_90a"
  int major, minor;       ///< compute capability
  bool wgmma;             ///< Hopper's warpgroup products; exist on sm_90a only
  int64_t sharedBytesMax; ///< shared memory that one block may have, static and dynamic together
  bool measurable = true; ///< a GPU's own: numbers of a tuning database hold. Not of PTX, which any later GPU runs.

  /// Kernels may start before the one before them has ended, and wait for it themselves.
  bool startsEarly() const { return major >= 9; }
};

/// All architectures, ascending.
llvm::ArrayRef<Arch> cudaArchs();

/// The architecture called `name`, or null.
const Arch *findArch(llvm::StringRef name);

} // namespace llmc
