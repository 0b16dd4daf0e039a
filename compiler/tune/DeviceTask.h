// What `llmc tune` measures on a CUDA device: a kernel of one family, the configurations that it can have, and the
// steps that each of them is launched in.
#pragma once

#include "codegen/cuda/KernelText.h"
#include "runtime/base/status.h"
#include "runtime/device/cuda/buffer.h"
#include "runtime/device/cuda/stream.h"
#include <functional>
#include <vector>

namespace llmc {

/// A step: what a launch of a kernel gets, and what has to come out.
struct DeviceWork {
  int64_t tokens = 0, sequences = 0; ///< of the launch's grid
  size_t copies = 1;                 ///< of what no cache may hold; launches take them in turn
  /// Addresses that the kernel's arguments name for a copy, in its order.
  std::function<std::vector<uint64_t>(size_t copy)> words = {};
  uint64_t out = 0, outBytes = 0; ///< results, f32
  /// Numbers of the results that every right configuration gives, but for rounding; `out` as bytes.
  std::function<std::vector<float>(const std::vector<uint8_t> &out)> values = {};
};

/// The steps of a task, their memory, and what sweeps the device's caches.
struct DeviceWorks {
  std::vector<rt::cuda::DeviceBuffer> buffers;
  std::vector<DeviceWork> works;
  uint64_t sweep = 0, sweepBytes = 0;
  std::string what; ///< for people: "16 tokens"

  /// Bytes of the device, filled with zeros. Error CU_MEMORY (69).
  rt::Result<uint64_t> take(const rt::cuda::Stream &stream, uint64_t bytes);
  /// The same for what sweeps the caches: at most a quarter of what is free.
  rt::Status takeSweep(const rt::cuda::Stream &stream);
};

/// One class of one kernel of an engine.
class DeviceTask {
public:
  virtual ~DeviceTask() = default;
  virtual std::string family() const = 0; ///< as TuningRecord has it, with the two after it
  virtual std::string key() const = 0;
  virtual int64_t mMax() const = 0;
  /// Legal configurations by their numbers, the model's best first, at most `most` (0: all).
  virtual std::vector<std::vector<TunedNumber>> candidates(const Arch &arch, size_t most) const = 0;
  /// A module with one kern.func, whose results are f32, and its symbol.
  virtual std::string moduleText() const = 0;
  virtual std::string symbol() const = 0;
  /// Random operands. Takes at most half of the free memory. The task must outlive them. Error CU_MEMORY (69).
  virtual rt::Result<DeviceWorks> works(const rt::cuda::Stream &stream) const = 0;
};

/// Copies from the host, and returns when that has been done.
rt::Status store(const rt::cuda::Stream &stream, uint64_t address, const void *data, uint64_t bytes);

/// Fills `bytes` at `address` with `unit` again and again.
rt::Status fillWith(const rt::cuda::Stream &stream, uint64_t address, uint64_t bytes, const std::vector<uint8_t> &unit);

/// Bytes at random, each 8 of them masked.
std::vector<uint8_t> randomBytes(size_t bytes, uint64_t mask, uint64_t seed);

/// The columns of rows of f32, which lie rowStrideBytes apart.
std::vector<float> rowsOf(const std::vector<uint8_t> &out, int64_t rows, int64_t columns);

} // namespace llmc
