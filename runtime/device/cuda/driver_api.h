// The part of the CUDA driver's C interface that we call: our own declarations, so that no toolkit header is needed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace llmc::rt::cuda {

using CuResult = int;
using CuDevice = int;
using CuAddress = unsigned long long;  ///< in device memory
using CuContext = struct CuContextObject*;
using CuModule = struct CuModuleObject*;
using CuFunction = struct CuFunctionObject*;
using CuStream = struct CuStreamObject*;
using CuEvent = struct CuEventObject*;
using CuGraph = struct CuGraphObject*;
using CuGraphExec = struct CuGraphExecObject*;

/// Results that mean something of their own to us; the driver names the others.
inline constexpr CuResult kCuSuccess = 0, kCuOutOfMemory = 2, kCuStubLibrary = 34, kCuNoDevice = 100,
                          kCuInvalidImage = 200, kCuNoBinary = 209, kCuInvalidPtx = 218, kCuUnsupportedPtx = 222;

inline constexpr int kCuMultiprocessors = 16, kCuMajor = 75, kCuMinor = 76,
                     kCuSharedBytesOptIn = 97;       ///< CUdevice_attribute
inline constexpr int kCuDynamicSharedBytes = 8;      ///< CUfunction_attribute: most of a launch
inline constexpr unsigned kCuStreamNonBlocking = 1;  ///< does not wait for the default stream
inline constexpr int kCuCaptureThreadLocal = 1;      ///< other threads may call what they like meanwhile

/// CUlaunchAttributeID: programmatic stream serialization. Its value is a flag.
inline constexpr int kCuLaunchEarly = 6;

/// CUlaunchAttribute.
struct CuLaunchAttribute {
  int id = 0;
  alignas(8) union {
    char bytes[64];
    int flag;
  } value = {};
};
/// CUlaunchConfig.
struct CuLaunchConfig {
  unsigned grid[3], block[3], sharedBytes;
  CuStream stream;
  CuLaunchAttribute* attributes;
  unsigned attributeCount;
};
static_assert(sizeof(CuLaunchAttribute) == 72 && sizeof(CuLaunchConfig) == 56);

/// One entry point, and its name for messages.
template <typename... Parameters>
struct DriverEntry {
  const char* name;
  CuResult (*function)(Parameters...) = nullptr;
};

/// Looks an entry point up. cuGetProcAddress_v2 of CUDA 12: (symbol, where, version, flags, status).
using CuGetProcAddress = CuResult (*)(const char*, void**, int, uint64_t, int*);

// Name, the CUDA version whose signature this is (the driver picks its matching one), parameters. Plain names looked up
// by dlsym would give the oldest signature.
#define LLMC_CUDA_ENTRIES(X)                                                       \
  X(cuInit, 2000, unsigned)                                                        \
  X(cuDriverGetVersion, 2020, int*)                                                \
  X(cuGetErrorName, 6000, CuResult, const char**)                                  \
  X(cuGetErrorString, 6000, CuResult, const char**)                                \
  X(cuDeviceGetCount, 2000, int*)                                                  \
  X(cuDeviceGet, 2000, CuDevice*, int)                                             \
  X(cuDeviceGetName, 2000, char*, int, CuDevice)                                   \
  X(cuDeviceGetAttribute, 2000, int*, int, CuDevice)                               \
  X(cuDevicePrimaryCtxRetain, 7000, CuContext*, CuDevice)                          \
  X(cuDevicePrimaryCtxRelease, 11000, CuDevice)                                    \
  X(cuCtxSetCurrent, 4000, CuContext)                                              \
  X(cuModuleLoadDataEx, 2010, CuModule*, const void*, unsigned, int*, void**)      \
  X(cuModuleGetFunction, 2000, CuFunction*, CuModule, const char*)                 \
  X(cuModuleUnload, 2000, CuModule)                                                \
  X(cuFuncSetAttribute, 9000, CuFunction, int, int)                                \
  X(cuLaunchKernelEx, 11060, const CuLaunchConfig*, CuFunction, void**, void**)    \
  X(cuMemAlloc, 3020, CuAddress*, size_t)                                          \
  X(cuMemFree, 3020, CuAddress)                                                    \
  X(cuMemGetInfo, 3020, size_t*, size_t*)                                          \
  X(cuMemHostAlloc, 2020, void**, size_t, unsigned)                                \
  X(cuMemFreeHost, 2000, void*)                                                    \
  X(cuMemcpyAsync, 4000, CuAddress, CuAddress, size_t, CuStream)                   \
  X(cuMemsetD8Async, 3020, CuAddress, unsigned char, size_t, CuStream)             \
  X(cuStreamCreate, 2000, CuStream*, unsigned)                                     \
  X(cuStreamDestroy, 4000, CuStream)                                               \
  X(cuStreamSynchronize, 2000, CuStream)                                           \
  X(cuEventCreate, 2000, CuEvent*, unsigned)                                       \
  X(cuEventRecord, 2000, CuEvent, CuStream)                                        \
  X(cuEventSynchronize, 2000, CuEvent)                                             \
  X(cuEventElapsedTime, 2000, float*, CuEvent, CuEvent)                            \
  X(cuEventDestroy, 4000, CuEvent)                                                 \
  X(cuStreamBeginCapture, 10010, CuStream, int)                                    \
  X(cuStreamEndCapture, 10000, CuStream, CuGraph*)                                 \
  X(cuGraphInstantiateWithFlags, 11040, CuGraphExec*, CuGraph, unsigned long long) \
  X(cuGraphLaunch, 10000, CuGraphExec, CuStream)                                   \
  X(cuGraphExecDestroy, 10000, CuGraphExec)                                        \
  X(cuGraphDestroy, 10000, CuGraph)

/// All entry points of a loaded driver.
struct DriverApi {
#define LLMC_CUDA_MEMBER(name, version, ...) DriverEntry<__VA_ARGS__> name{#name};
  LLMC_CUDA_ENTRIES(LLMC_CUDA_MEMBER)
#undef LLMC_CUDA_MEMBER
};

}  // namespace llmc::rt::cuda
