// Weights on the device: read from the file's pages into pinned buffers and copied from there, many pieces at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/cuda/buffer.h"
#include "runtime/device/cuda/stream.h"
#include "runtime/format/engine_generated.h"

namespace llmc::rt::cuda {

struct UploadOptions {
  uint32_t threads = 4;             ///< each with two pinned buffers and a stream
  uint64_t pieceBytes = 16u << 20;  ///< of a pinned buffer
  /// Bytes done and in all; called from the thread that called upload(), some times a second.
  std::function<void(uint64_t, uint64_t)> progress = {};
  /// In place of what the sections hold: numbers from 2^-7 to 2, of either sign, in every format that
  /// weights have.
  bool madeUp = false;
};

/// Owns one buffer a section.
class DeviceWeights {
 public:
  DeviceWeights() = default;
  /// `section`: content of a section of the engine. Returns when all is there. Errors: CU_MEMORY (69), those of Driver.
  static Result<DeviceWeights> upload(const Context& context, const fb::Engine& plan,
                                      const std::function<std::span<const std::byte>(uint32_t)>& section,
                                      const UploadOptions& options = {});
  /// Of device memory, for plans of what fits.
  static uint64_t bytesFor(const fb::Engine& plan, const std::function<std::span<const std::byte>(uint32_t)>& section);

  /// [weight], as the plan counts them.
  const std::vector<CuAddress>& addresses() const { return addresses_; }

 private:
  std::map<uint32_t, DeviceBuffer> sections_;
  std::vector<CuAddress> addresses_;
};

}  // namespace llmc::rt::cuda
