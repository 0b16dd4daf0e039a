// A walk of one phase whose kernel takes tasks until none is left.
#include "runtime/serving/batch_sampler.h"

#include <algorithm>
#include <utility>

#include "runtime/sample/tile_argmax.h"

namespace llmc::rt::serving {
namespace {

/// Below so many logits in all, waking the workers costs more than it saves.
constexpr uint64_t kFewLogits = 1 << 15;

}  // namespace

BatchSampler::BatchSampler(WorkerPool& pool, uint32_t vocabulary)
    : pool_(pool), vocabulary_(vocabulary), self_(reinterpret_cast<uint64_t>(this)), call_{work, &self_} {
  samplers_.reserve(pool.workers());
  for (uint32_t i = 0; i < pool.workers(); ++i) samplers_.emplace_back(vocabulary);
}

int32_t BatchSampler::work(const uint64_t* args, uint32_t worker, uint32_t, std::atomic<uint32_t>*) {
  reinterpret_cast<BatchSampler*>(args[0])->takeTasks(worker);
  return 0;
}

void BatchSampler::takeTasks(uint32_t worker) {
  for (size_t i = next_.fetch_add(1, std::memory_order_relaxed); i < tasks_.size();
       i = next_.fetch_add(1, std::memory_order_relaxed))
    take(tasks_[i], worker);
}

void BatchSampler::take(SampleTask& task, uint32_t worker) {
  if (task.token >= 0) return;
  auto token =
      task.tiles.empty() ? samplers_[worker].sample(task.logits, task.request, task.logprobs) : bestOfTiles(task.tiles);
  if (token)
    task.token = *token;
  else
    task.failure = std::make_unique<Status>(token.takeStatus());
}

void BatchSampler::run(std::span<SampleTask> tasks) {
  tasks_ = tasks;
  next_.store(0, std::memory_order_relaxed);
  const auto rows =
      std::count_if(tasks.begin(), tasks.end(), [](const SampleTask& t) { return t.tiles.empty() && t.token < 0; });
  if (rows < 2 || static_cast<uint64_t>(rows) * vocabulary_ < kFewLogits) return takeTasks(0);
  // work() returns 0 always.
  (void)pool_.run({std::span(&call_, 1), std::span(&phaseEnd_, 1), /*elastic=*/true});
}

}  // namespace llmc::rt::serving
