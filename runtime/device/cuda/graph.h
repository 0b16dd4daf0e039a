// A recorded piece of a stream that is launched as one.
#pragma once

#include <functional>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/device/cuda/stream.h"

namespace llmc::rt::cuda {

/// Move only. The memory and the kernels that it names must outlive it.
class Graph {
 public:
  Graph() = default;
  /// Runs `enqueue`, whose launches into `stream` are recorded and do not run. Errors: those of `enqueue`, of Driver.
  static Result<Graph> capture(const Stream& stream, const std::function<Status()>& enqueue);
  Graph(Graph&& other) noexcept : context_(other.context_), graph_(std::exchange(other.graph_, nullptr)) {}
  Graph& operator=(Graph&& other) noexcept;
  ~Graph();

  Status launch(const Stream& stream) const;

 private:
  const Context* context_ = nullptr;
  CuGraphExec graph_ = nullptr;
};

}  // namespace llmc::rt::cuda
