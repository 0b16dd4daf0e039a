// Entry points of streams, events and graphs, and the look-up of all entry points.
#include <cstring>

#include "runtime/device/cuda/driver_api.h"
#include "tests/emulator/fake_driver/driver.h"
#include "tests/emulator/fake_driver/settings.h"

using namespace llmc::rt::cuda;
using namespace llmc::emu;

#define LLMC_API extern "C" __attribute__((visibility("default"))) CuResult
#define LLMC_ENTER(...)                   \
  FakeDriver& driver = FakeDriver::get(); \
  std::lock_guard guard(driver.lock);     \
  if (int early = driver.enter(__VA_ARGS__); early) return early

namespace {

DriverStream* streamOf(CuStream stream) { return reinterpret_cast<DriverStream*>(stream); }
DriverEvent* eventOf(CuEvent event) { return reinterpret_cast<DriverEvent*>(event); }

}  // namespace

LLMC_API cuStreamCreate(CuStream* stream, unsigned) {
  LLMC_ENTER("cuStreamCreate");
  auto* made = new DriverStream;
  driver.streams.insert(made);
  *stream = reinterpret_cast<CuStream>(made);
  return kSuccess;
}

LLMC_API cuStreamDestroy(CuStream stream) {
  LLMC_ENTER("cuStreamDestroy");
  if (!driver.streams.count(streamOf(stream))) return kInvalidHandle;
  const int result = driver.drainStream(streamOf(stream));
  for (DriverEvent* event : driver.events)
    if (event->stream == streamOf(stream)) event->stream = nullptr;
  driver.streams.erase(streamOf(stream));
  delete streamOf(stream);
  return result;
}

LLMC_API cuStreamSynchronize(CuStream stream) {
  LLMC_ENTER("cuStreamSynchronize");
  if (!driver.streams.count(streamOf(stream))) return kInvalidHandle;
  if (streamOf(stream)->capture) {
    streamOf(stream)->captureBroken = true;
    return driver.refuse("cuStreamSynchronize", kCaptureUnsupported, "the stream is being recorded");
  }
  return driver.drainStream(streamOf(stream));
}

LLMC_API cuStreamQuery(CuStream stream) {
  LLMC_ENTER("cuStreamQuery");
  if (!driver.streams.count(streamOf(stream))) return kInvalidHandle;
  return streamOf(stream)->queue.empty() ? kSuccess : kNotReady;
}

LLMC_API cuStreamWaitEvent(CuStream stream, CuEvent event, unsigned) {
  LLMC_ENTER("cuStreamWaitEvent");
  if (!driver.events.count(eventOf(event))) return kInvalidHandle;
  return driver.put(streamOf(stream), WaitWork{eventOf(event), eventOf(event)->recorded});
}

LLMC_API cuEventCreate(CuEvent* event, unsigned) {
  LLMC_ENTER("cuEventCreate");
  auto* made = new DriverEvent;
  driver.events.insert(made);
  *event = reinterpret_cast<CuEvent>(made);
  return kSuccess;
}

LLMC_API cuEventDestroy(CuEvent event) {
  LLMC_ENTER("cuEventDestroy");
  if (!driver.events.count(eventOf(event))) return kInvalidHandle;
  // Work in a stream may still name it.
  const int result = driver.drainAll();
  driver.events.erase(eventOf(event));
  delete eventOf(event);
  return result;
}

LLMC_API cuEventRecord(CuEvent event, CuStream stream) {
  LLMC_ENTER("cuEventRecord");
  if (!driver.events.count(eventOf(event))) return kInvalidHandle;
  eventOf(event)->stream = streamOf(stream);
  return driver.put(streamOf(stream), RecordWork{eventOf(event), ++eventOf(event)->recorded});
}

LLMC_API cuEventSynchronize(CuEvent event) {
  LLMC_ENTER("cuEventSynchronize");
  if (!driver.events.count(eventOf(event))) return kInvalidHandle;
  const bool reached = eventOf(event)->reached == eventOf(event)->recorded || !eventOf(event)->stream;
  return reached ? kSuccess : driver.drainStream(eventOf(event)->stream, {eventOf(event), eventOf(event)->recorded});
}

LLMC_API cuEventQuery(CuEvent event) {
  LLMC_ENTER("cuEventQuery");
  if (!driver.events.count(eventOf(event))) return kInvalidHandle;
  return eventOf(event)->reached == eventOf(event)->recorded ? kSuccess : kNotReady;
}

LLMC_API cuEventElapsedTime(float* milliseconds, CuEvent start, CuEvent end) {
  LLMC_ENTER("cuEventElapsedTime");
  if (!driver.events.count(eventOf(start)) || !driver.events.count(eventOf(end))) return kInvalidHandle;
  if (!eventOf(start)->reached || !eventOf(end)->reached) return kNotReady;
  *milliseconds = std::chrono::duration<float, std::milli>(eventOf(end)->when - eventOf(start)->when).count();
  return kSuccess;
}

LLMC_API cuStreamBeginCapture(CuStream stream, int) {
  LLMC_ENTER("cuStreamBeginCapture");
  if (!driver.streams.count(streamOf(stream))) return kInvalidHandle;
  if (streamOf(stream)->capture) return kInvalidValue;
  streamOf(stream)->capture = std::make_unique<DriverGraph>();
  streamOf(stream)->captureBroken = false;
  return kSuccess;
}

LLMC_API cuStreamEndCapture(CuStream stream, CuGraph* graph) {
  LLMC_ENTER("cuStreamEndCapture");
  if (!driver.streams.count(streamOf(stream))) return kInvalidHandle;
  std::unique_ptr<DriverGraph> recorded = std::move(streamOf(stream)->capture);
  *graph = nullptr;
  if (!recorded) return kInvalidValue;
  if (streamOf(stream)->captureBroken) return kCaptureInvalidated;
  *graph = reinterpret_cast<CuGraph>(recorded.get());
  driver.graphs.insert(recorded.release());
  return kSuccess;
}

LLMC_API cuGraphInstantiateWithFlags(CuGraphExec* exec, CuGraph graph, unsigned long long) {
  LLMC_ENTER("cuGraphInstantiateWithFlags");
  auto* recorded = reinterpret_cast<DriverGraph*>(graph);
  if (!driver.graphs.count(recorded)) return kInvalidHandle;
  auto* made = new DriverGraph(*recorded);
  driver.graphs.insert(made);
  *exec = reinterpret_cast<CuGraphExec>(made);
  return kSuccess;
}

LLMC_API cuGraphLaunch(CuGraphExec exec, CuStream stream) {
  LLMC_ENTER("cuGraphLaunch");
  auto* graph = reinterpret_cast<DriverGraph*>(exec);
  if (!driver.graphs.count(graph)) return kInvalidHandle;
  for (const Work& work : graph->work)
    if (int result = driver.put(streamOf(stream), work); result != kSuccess) return result;
  return kSuccess;
}

static CuResult destroyGraph(const char* name, void* graph) {
  LLMC_ENTER(name);
  auto* known = static_cast<DriverGraph*>(graph);
  if (driver.graphs.erase(known) == 0) return kInvalidHandle;
  delete known;
  return kSuccess;
}

LLMC_API cuGraphExecDestroy(CuGraphExec exec) { return destroyGraph("cuGraphExecDestroy", exec); }
LLMC_API cuGraphDestroy(CuGraph graph) { return destroyGraph("cuGraphDestroy", graph); }

// The runtime's list of entry points is the list that can be looked up.
#define LLMC_DECLARE(name, version, ...) extern "C" CuResult name(__VA_ARGS__);
LLMC_CUDA_ENTRIES(LLMC_DECLARE)
#undef LLMC_DECLARE

LLMC_API cuGetProcAddress_v2(const char* name, void** function, int version, uint64_t, int* status) {
  *function = nullptr;
#define LLMC_FIND(entry, since, ...) \
  if (std::strcmp(name, #entry) == 0 && version >= since) *function = reinterpret_cast<void*>(&entry);
  LLMC_CUDA_ENTRIES(LLMC_FIND)
#undef LLMC_FIND
  if (status) *status = *function ? 0 : 1;
  return *function ? kSuccess : kNotFound;
}
