// Work for the device in order, and marks in it.
#pragma once

#include <array>
#include <memory>
#include <cstdint>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/device/cuda/context.h"

namespace llmc::rt::cuda {

/// A point in a stream that can be waited for and timed. Move only.
class Event {
 public:
  Event() = default;
  static Result<Event> create(const Context& context);
  Event(Event&& other) noexcept : context_(other.context_), event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&& other) noexcept;
  ~Event();

  /// Returns once the stream has come to where it was recorded last; at once when it never was.
  Status wait() const;
  /// Milliseconds from `start` to this. Requires: both recorded and reached.
  Result<double> millisecondsSince(const Event& start) const;
  CuEvent handle() const { return event_; }

 private:
  const Context* context_ = nullptr;
  CuEvent event_ = nullptr;
};

/// How many blocks and threads run a kernel.
struct LaunchShape {
  std::array<uint32_t, 3> grid = {1, 1, 1};
  uint32_t threads = 1;      ///< of a block
  uint32_t sharedBytes = 0;  ///< dynamic, of a block
  bool early = false;        ///< it may start before the kernel before it has ended: it waits for that one itself
};

/// A queue of copies and kernels; one thread at a time. Faults of a kernel show in a later call, at the latest in
/// synchronize(). Not movable: work in it is not.
class Stream {
 public:
  static Result<std::unique_ptr<Stream>> create(const Context& context);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Any direction. Host memory that is not pinned is copied before this returns.
  Status copy(CuAddress to, CuAddress from, uint64_t bytes) const;
  Status fill(CuAddress to, uint8_t value, uint64_t bytes) const;
  /// `parameter`: the kernel's one parameter, copied before this returns.
  Status launch(CuFunction kernel, const LaunchShape& shape, const void* parameter) const;
  Status record(const Event& event) const;
  Status synchronize() const;

  const Context& context() const { return context_; }
  CuStream handle() const { return stream_; }

 private:
  explicit Stream(const Context& context) : context_(context) {}
  const Context& context_;
  CuStream stream_ = nullptr;
};

/// With unified addressing a host address names host memory to the driver too.
inline CuAddress hostAddress(const void* data) { return reinterpret_cast<CuAddress>(data); }

}  // namespace llmc::rt::cuda
