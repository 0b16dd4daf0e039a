// Samples all rows of a step at once, on the workers that have just computed them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/device/worker_pool.h"
#include "runtime/sample/sampler.h"

namespace llmc::rt::serving {

/// One row to sample and what came of it.
struct SampleTask {
  std::span<const float> logits;
  std::span<const float> tiles;       ///< of Executor::tiles when the best token is wanted; logits are not read then
  SampleRequest request;              ///< what it points to must live until run() returns
  TokenLogprobs* logprobs = nullptr;  ///< filled when not null and asked for
  int32_t token = -1;                 ///< not below 0: known already, and nothing is sampled
  std::unique_ptr<Status> failure;    ///< of Sampler::sample, if it failed
};

/// Used by the thread that owns `pool`, between steps. Results depend on the tasks only. Allocates nothing once each
/// worker's sampler has seen the parameters.
class BatchSampler {
 public:
  BatchSampler(WorkerPool& pool, uint32_t vocabulary);
  BatchSampler(const BatchSampler&) = delete;
  BatchSampler& operator=(const BatchSampler&) = delete;

  void run(std::span<SampleTask> tasks);
  /// The one of the calling thread, for rows that are scored and not sampled.
  Sampler& first() { return samplers_[0]; }

 private:
  static int32_t work(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>*);
  void takeTasks(uint32_t worker);
  void take(SampleTask& task, uint32_t worker);

  WorkerPool& pool_;
  const uint32_t vocabulary_;
  std::vector<Sampler> samplers_;  ///< [worker]
  std::span<SampleTask> tasks_;
  alignas(64) std::atomic<size_t> next_{0};  ///< rows cost unequally: whoever is free takes the next
  uint64_t self_;                            ///< argument of `work`
  KernelCall call_;
  uint32_t phaseEnd_ = 1;
};

}  // namespace llmc::rt::serving
