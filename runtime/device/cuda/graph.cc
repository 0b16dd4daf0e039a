// Stream capture: always ended, whatever failed in it.
#include "runtime/device/cuda/graph.h"

namespace llmc::rt::cuda {

Result<Graph> Graph::capture(const Stream& stream, const std::function<Status()>& enqueue) {
  const Context& context = stream.context();
  const Driver& driver = context.driver();
  LLMC_TRY(driver.call(driver.api().cuStreamBeginCapture, stream.handle(), kCuCaptureThreadLocal));
  Status status = enqueue();
  CuGraph recorded = nullptr;
  if (status)
    status = driver.call(driver.api().cuStreamEndCapture, stream.handle(), &recorded);
  else
    driver.release(driver.api().cuStreamEndCapture, stream.handle(), &recorded);
  Graph graph;
  graph.context_ = &context;
  if (status) status = driver.call(driver.api().cuGraphInstantiateWithFlags, &graph.graph_, recorded, 0ull);
  if (recorded) driver.release(driver.api().cuGraphDestroy, recorded);
  if (!status) return status;
  return graph;
}

Graph& Graph::operator=(Graph&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(graph_, other.graph_);
  return *this;
}

Graph::~Graph() {
  if (graph_) context_->driver().release(context_->driver().api().cuGraphExecDestroy, graph_);
}

Status Graph::launch(const Stream& stream) const {
  return context_->driver().call(context_->driver().api().cuGraphLaunch, graph_, stream.handle());
}

}  // namespace llmc::rt::cuda
