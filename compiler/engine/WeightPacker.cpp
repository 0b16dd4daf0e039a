// Runs packing jobs on several threads and hands their bytes over in file order, with a bounded number in flight.
#include "compiler/engine/WeightPacker.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "compiler/engine/PanelJobs.h"
#include "compiler/engine/Stopwatch.h"
#include "runtime/base/shortage.h"

namespace llmc {
namespace {

/// Parts of about a MiB that may be ahead of the file: a disk that falls behind stops its writer for tenths of a
/// second.
constexpr size_t kWindow = 128;

using Sink = std::function<rt::Status(const uint8_t* bytes, uint64_t count)>;

/// Jobs are taken in order; job i may start once job i - window has been handed over, so memory is bounded.
class OrderedPacking {
 public:
  OrderedPacking(const std::vector<PanelJob>& jobs, const std::vector<OpenWeight>& weights, const PackOptions& options)
      : jobs_(jobs), weights_(weights), options_(options) {
    unsigned threads = options.threads != 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
    threads_ = std::min<size_t>(threads, std::max<size_t>(jobs.size(), 1));
    slots_.resize(std::max(2 * threads_, std::min(jobs.size(), kWindow)));
  }

  /// Feeds every job's bytes to `sink` on the calling thread. The first error in file order is the one returned.
  rt::Status run(const Sink& sink) {
    std::vector<std::thread> pool = rt::startThreads(threads_, [this] { work(); });
    alone_ = pool.empty();
    rt::Status status = drain(sink);
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    mayStart_.notify_all();
    for (std::thread& thread : pool) thread.join();
    if (options_.seconds) *options_.seconds = seconds_;
    return status;
  }

 private:
  struct Slot {
    std::vector<uint8_t> bytes;
    rt::Status status;
    bool ready = false;
  };

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      Stopwatch idle;
      mayStart_.wait(lock, [this] { return stopped_ || next_ >= jobs_.size() || next_ < written_ + slots_.size(); });
      seconds_.idle += idle.seconds();
      if (stopped_ || next_ >= jobs_.size()) return;
      packNext(lock);
    }
  }

  /// The next job, without the lock while it is packed.
  void packNext(std::unique_lock<std::mutex>& lock) {
    const PanelJob& job = jobs_[next_];
    Slot& slot = slots_[next_++ % slots_.size()];
    lock.unlock();
    slot.bytes.resize(job.bytes);
    PackSeconds seconds;
    rt::Status status = packJob(job, weights_[job.weight], options_.errorWeight, slot.bytes.data(), seconds);
    lock.lock();
    seconds_.reading += seconds.reading;
    seconds_.widening += seconds.widening;
    seconds_.packing += seconds.packing;
    slot.status = std::move(status);
    slot.ready = true;
    isReady_.notify_one();
  }

  rt::Status drain(const Sink& sink) {
    uint64_t done = 0, total = 0;
    for (const PanelJob& job : jobs_) total += job.bytes;
    for (size_t i = 0; i < jobs_.size(); ++i) {
      Slot& slot = slots_[i % slots_.size()];
      {
        std::unique_lock lock(mutex_);
        if (alone_) packNext(lock);
        isReady_.wait(lock, [&] { return slot.ready; });
      }
      LLMC_TRY(std::move(slot.status));
      Stopwatch writing;
      LLMC_TRY(sink(slot.bytes.data(), jobs_[i].bytes));
      seconds_.writing += writing.seconds();
      done += jobs_[i].bytes;
      {
        std::lock_guard lock(mutex_);
        slot.ready = false;
        ++written_;
      }
      mayStart_.notify_all();
      if (options_.progress && !options_.progress(done, total))
        return rt::Status::error(rt::ErrorKind::kUnavailable, "W_CANCELLED", "packing was cancelled");
    }
    return rt::Status::ok();
  }

  const std::vector<PanelJob>& jobs_;
  const std::vector<OpenWeight>& weights_;
  const PackOptions& options_;
  size_t threads_ = 1;
  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::condition_variable mayStart_, isReady_;
  size_t next_ = 0, written_ = 0;
  PackSeconds seconds_;
  bool stopped_ = false;
  bool alone_ = false;  ///< the system gave no thread: whoever drains packs, too
};

rt::Status packAll(const std::vector<WeightSpec>& specs, const RowSources& sources, const PackOptions& options,
                   const Sink& sink) {
  auto places = placeWeights(specs);
  if (!places) return places.takeStatus();
  auto weights = openWeights(specs, *places, sources);
  if (!weights) return weights.takeStatus();
  std::vector<PanelJob> jobs = cutJobs(specs, *places);
  return OrderedPacking(jobs, *weights, options).run(sink);
}

}  // namespace

rt::Result<uint32_t> packWeights(const std::vector<WeightSpec>& specs, const RowSources& sources, EngineWriter& writer,
                                 const PackOptions& options, uint64_t alignment) {
  auto index = writer.beginSection(rt::SectionKind::kWeights, alignment);
  if (!index) return index.takeStatus();
  LLMC_TRY(packAll(specs, sources, options,
                   [&](const uint8_t* bytes, uint64_t count) { return writer.append(bytes, count); }));
  if (options.seconds) {
    options.seconds->digesting = writer.digestSeconds();
    options.seconds->writing -= writer.digestSeconds();
  }
  const std::vector<uint8_t> tail(rt::kWeightsTailBytes);
  LLMC_TRY(writer.append(tail.data(), tail.size()));
  LLMC_TRY(writer.endSection());
  return index;
}

rt::Result<uint32_t> leaveRoomForWeights(const std::vector<WeightSpec>& specs, EngineWriter& writer,
                                         uint64_t alignment) {
  auto places = placeWeights(specs);
  if (!places) return places.takeStatus();
  auto index = writer.beginSection(rt::SectionKind::kWeights, alignment);
  if (!index) return index.takeStatus();
  const uint64_t end = places->empty() ? 0 : places->back().offset + places->back().size;
  LLMC_TRY(writer.appendHole(end + rt::kWeightsTailBytes));
  LLMC_TRY(writer.endSection());
  return index;
}

rt::Result<std::vector<uint8_t>> packWeight(const WeightSpec& spec, const RowSources& sources,
                                            const PackOptions& options) {
  std::vector<uint8_t> packed;
  LLMC_TRY(packAll({spec}, sources, options, [&](const uint8_t* bytes, uint64_t count) {
    packed.insert(packed.end(), bytes, bytes + count);
    return rt::Status::ok();
  }));
  packed.resize(static_cast<size_t>(packedBytes(spec.layout, spec.rows, spec.cols)));
  return packed;
}

}  // namespace llmc
