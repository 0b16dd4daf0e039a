// Where KV pages lie, and who copies them there: the host, or a device in the order of its work.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/base/status.h"

namespace llmc::rt {

/// Memory of pages, zero at first. Used by the engine's thread, between steps.
class PageMemory {
 public:
  virtual ~PageMemory() = default;
  virtual uint8_t* base() const = 0;
  /// Whether base() is an address that host code must not touch.
  virtual bool onDevice() const = 0;
  /// `bytes` bytes inside this memory; on a device also between it and host memory.
  virtual Status copy(uint8_t* to, const uint8_t* from, uint64_t bytes) = 0;
  /// `bytes` bytes of `value` from `to` on.
  virtual Status fill(uint8_t* to, uint8_t value, uint64_t bytes) = 0;
  /// Returns when all that was asked for is done.
  virtual Status wait() = 0;
};

/// Anonymous host memory. Error RT_MEMORY (69).
Result<std::unique_ptr<PageMemory>> hostPages(uint64_t bytes);

}  // namespace llmc::rt
