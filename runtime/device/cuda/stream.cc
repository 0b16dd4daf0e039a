// Thin calls; the meaning of errors is the driver's.
#include "runtime/device/cuda/stream.h"

namespace llmc::rt::cuda {

Result<Event> Event::create(const Context& context) {
  Event event;
  event.context_ = &context;
  LLMC_TRY(context.driver().call(context.driver().api().cuEventCreate, &event.event_, 0u));
  return event;
}

Event& Event::operator=(Event&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(event_, other.event_);
  return *this;
}

Event::~Event() {
  if (event_) context_->driver().release(context_->driver().api().cuEventDestroy, event_);
}

Status Event::wait() const { return context_->driver().call(context_->driver().api().cuEventSynchronize, event_); }

Result<double> Event::millisecondsSince(const Event& start) const {
  float milliseconds = 0;
  LLMC_TRY(context_->driver().call(context_->driver().api().cuEventElapsedTime, &milliseconds, start.event_, event_));
  return double{milliseconds};
}

Result<std::unique_ptr<Stream>> Stream::create(const Context& context) {
  std::unique_ptr<Stream> stream(new Stream(context));
  LLMC_TRY(context.driver().call(context.driver().api().cuStreamCreate, &stream->stream_, kCuStreamNonBlocking));
  return stream;
}

Stream::~Stream() {
  if (stream_) context_.driver().release(context_.driver().api().cuStreamDestroy, stream_);
}

Status Stream::copy(CuAddress to, CuAddress from, uint64_t bytes) const {
  if (bytes == 0) return Status::ok();
  return context_.driver().call(context_.driver().api().cuMemcpyAsync, to, from, size_t{bytes}, stream_);
}

Status Stream::fill(CuAddress to, uint8_t value, uint64_t bytes) const {
  if (bytes == 0) return Status::ok();
  return context_.driver().call(context_.driver().api().cuMemsetD8Async, to, value, size_t{bytes}, stream_);
}

Status Stream::launch(CuFunction kernel, const LaunchShape& shape, const void* parameter) const {
  void* parameters[] = {const_cast<void*>(parameter)};  // the driver reads it only
  CuLaunchAttribute early;
  early.id = kCuLaunchEarly;
  early.value.flag = 1;
  const CuLaunchConfig config{{shape.grid[0], shape.grid[1], shape.grid[2]},
                              {shape.threads, 1, 1},
                              shape.sharedBytes,
                              stream_,
                              &early,
                              shape.early ? 1u : 0u};
  return context_.driver().call(context_.driver().api().cuLaunchKernelEx, &config, kernel,
                                static_cast<void**>(parameters), static_cast<void**>(nullptr));
}

Status Stream::record(const Event& event) const {
  return context_.driver().call(context_.driver().api().cuEventRecord, event.handle(), stream_);
}

Status Stream::synchronize() const {
  return context_.driver().call(context_.driver().api().cuStreamSynchronize, stream_);
}

}  // namespace llmc::rt::cuda
