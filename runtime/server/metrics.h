// What /metrics shows, by vLLM's names, labels and buckets: existing boards and autoscalers work unchanged.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "runtime/server/backend.h"
#include "runtime/server/http_metrics.h"

namespace llmc::rt::server {

/// Histograms that requests fill.
enum class Histogram : uint8_t {
  kTimeToFirstToken,
  kInterToken,
  kTimePerOutputToken,  ///< mean of a request
  kRequestLatency,
  kQueueTime,
  kInferenceTime,
  kPrefillTime,
  kDecodeTime,
  kPromptTokens,
  kGenerationTokens,
  kMaxGenerationTokens,
  kParamN,
  kParamMaxTokens,
  kPrefillComputedTokens,
  kPreemptions,
  kCount
};
enum class Counter : uint8_t {
  kPromptTokens,
  kGenerationTokens,
  kCachedTokens,
  kStop,
  kLength,
  kAbort,
  kRepetition,
  kError,
  kCorrupted,  ///< ended because logits were not numbers; also in kError
  kCount
};

struct MetricsOptions {
  std::string prefix = "vllm";  ///< "vllm" or "llmc"
  bool oldNames = false;        ///< also the names that boards of before 2025 read
};

/// observe() and add() of shard i belong to one thread, i's; all else may be called by any. Nothing on the way of a
/// token takes a lock or an atomic read-modify-write.
class Metrics {
 public:
  Metrics(std::string model, uint32_t context, uint32_t shards, MetricsOptions options);

  void observe(uint32_t shard, Histogram histogram, double value);
  void add(uint32_t shard, Counter counter, uint64_t count);
  /// Requests as such, whatever they asked for; shown with the rest.
  HttpMetrics& http() { return http_; }

  /// Text exposition format 0.0.4.
  std::string render(const BackendStats& engine) const;

  static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  static constexpr size_t kHistograms = static_cast<size_t>(Histogram::kCount);
  static constexpr size_t kCounters = static_cast<size_t>(Counter::kCount);
  static constexpr size_t kMostBounds = 32;
  struct Bins {
    std::atomic<uint64_t> counts[kMostBounds + 1];
    std::atomic<double> sum;
  };
  struct Shard {
    Bins bins[kHistograms] = {};
    std::atomic<uint64_t> counters[kCounters] = {};
  };
  std::span<const double> boundsOf(Histogram histogram) const;
  uint64_t total(Counter counter) const;
  void renderHistogram(std::string& out, Histogram histogram, std::string_view name, std::string_view help) const;
  void renderEngine(std::string& out, const BackendStats& engine) const;
  void renderCounters(std::string& out) const;
  void counter(std::string& out, std::string_view name, std::string_view help, uint64_t value) const;
  void head(std::string& out, std::string_view name, std::string_view type, std::string_view help) const;
  void line(std::string& out, std::string_view name, std::string_view labels, double value) const;

  const std::string labels_;  ///< model_name and engine
  const uint32_t context_;
  const MetricsOptions options_;
  std::vector<double> tokenBounds_;  ///< 1, 2, 5, 10, ... up to the context
  std::deque<Shard> shards_;
  HttpMetrics http_;
};

}  // namespace llmc::rt::server
