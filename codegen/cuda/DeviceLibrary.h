// The device functions that generated kernels call: codegen/cuda/device, embedded as text.
#pragma once

#include "llvm/ADT/ArrayRef.h"

namespace llmc {

/// One file: the name that NVRTC's messages give it, and its text.
struct DeviceHeader {
  const char *name; ///< "device/types.cuh"
  const char *text;
};

/// All files, in the order that they need each other; every kernel sees all of them.
llvm::ArrayRef<DeviceHeader> cudaDeviceLibrary();

} // namespace llmc
