// Plain text: Debian has prometheus-cpp only as a shared library, and llmc-run links none beyond C and C++.
#include "runtime/server/metrics.h"

#include <algorithm>

#include "runtime/server/api/json_text.h"
#include "runtime/server/metrics_text.h"

namespace llmc::rt::server {
namespace {

constexpr double kFirstTokenBounds[] = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                        1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
constexpr double kInterTokenBounds[] = {.01, .025, .05, .075, .1,  .15, .2, .3, .4, .5,
                                        .75, 1,    2.5, 5,    7.5, 10,  20, 40, 80};
constexpr double kLatencyBounds[] = {.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                     30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
constexpr double kCountBounds[] = {1, 2, 5, 10, 20};
constexpr double kPreemptionBounds[] = {1, 2, 3, 4, 5, 10, 20};

struct Described {
  Histogram histogram;
  const char* name;
  const char* help;
};
constexpr Described kDescribed[] = {
    {Histogram::kTimeToFirstToken, "time_to_first_token_seconds", "Histogram of time to first token in seconds."},
    {Histogram::kInterToken, "inter_token_latency_seconds", "Histogram of inter-token latency in seconds."},
    {Histogram::kTimePerOutputToken, "request_time_per_output_token_seconds",
     "Histogram of time_per_output_token_seconds per request."},
    {Histogram::kRequestLatency, "e2e_request_latency_seconds", "Histogram of end to end request latency in seconds."},
    {Histogram::kQueueTime, "request_queue_time_seconds", "Histogram of time spent in WAITING phase for request."},
    {Histogram::kInferenceTime, "request_inference_time_seconds",
     "Histogram of time spent in RUNNING phase for request."},
    {Histogram::kPrefillTime, "request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request."},
    {Histogram::kDecodeTime, "request_decode_time_seconds", "Histogram of time spent in DECODE phase for request."},
    {Histogram::kPromptTokens, "request_prompt_tokens", "Number of prefill tokens processed."},
    {Histogram::kGenerationTokens, "request_generation_tokens", "Number of generation tokens processed."},
    {Histogram::kMaxGenerationTokens, "request_max_num_generation_tokens",
     "Histogram of the most tokens that a choice of a request has got."},
    {Histogram::kParamN, "request_params_n", "Histogram of the n request parameter."},
    {Histogram::kParamMaxTokens, "request_params_max_tokens", "Histogram of the max_tokens request parameter."},
    {Histogram::kPrefillComputedTokens, "request_prefill_kv_computed_tokens",
     "Histogram of new KV tokens computed during prefill (excluding cached tokens)."},
    {Histogram::kPreemptions, "request_num_preemptions", "Histogram of how often a request was preempted."},
};

}  // namespace

Metrics::Metrics(std::string model, uint32_t context, uint32_t shards, MetricsOptions options)
    : labels_([&] {
        std::string out = "engine=\"0\",model_name=";
        appendQuoted(out, model);
        return out;
      }()),
      context_(context),
      options_(std::move(options)) {
  for (double power = 1; power <= context && tokenBounds_.size() + 3 <= kMostBounds; power *= 10)
    for (const double step : {1.0, 2.0, 5.0})
      if (step * power <= context) tokenBounds_.push_back(step * power);
  for (uint32_t i = 0; i < std::max(shards, 1u); ++i) shards_.emplace_back();
}

std::span<const double> Metrics::boundsOf(Histogram histogram) const {
  switch (histogram) {
    case Histogram::kTimeToFirstToken:
      return kFirstTokenBounds;
    case Histogram::kInterToken:
    case Histogram::kTimePerOutputToken:
      return kInterTokenBounds;
    case Histogram::kParamN:
      return kCountBounds;
    case Histogram::kPreemptions:
      return kPreemptionBounds;
    case Histogram::kPromptTokens:
    case Histogram::kGenerationTokens:
    case Histogram::kMaxGenerationTokens:
    case Histogram::kParamMaxTokens:
    case Histogram::kPrefillComputedTokens:
      return tokenBounds_;
    default:
      return kLatencyBounds;
  }
}

void Metrics::observe(uint32_t shard, Histogram histogram, double value) {
  Bins& bins = shards_[shard].bins[static_cast<size_t>(histogram)];
  const auto bounds = boundsOf(histogram);
  const auto bin = static_cast<size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
  // One writer a shard: a plain add, made visible to the reader.
  auto& count = bins.counts[bin];
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  bins.sum.store(bins.sum.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

void Metrics::add(uint32_t shard, Counter counter, uint64_t count) {
  auto& value = shards_[shard].counters[static_cast<size_t>(counter)];
  value.store(value.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
}

uint64_t Metrics::total(Counter counter) const {
  uint64_t sum = 0;
  for (const Shard& shard : shards_)
    sum += shard.counters[static_cast<size_t>(counter)].load(std::memory_order_relaxed);
  return sum;
}

void Metrics::head(std::string& out, std::string_view name, std::string_view type, std::string_view help) const {
  ((((((out += "# HELP ") += options_.prefix) += ':') += name) += ' ') += help) += '\n';
  ((((((out += "# TYPE ") += options_.prefix) += ':') += name) += ' ') += type) += '\n';
}

void Metrics::line(std::string& out, std::string_view name, std::string_view labels, double value) const {
  (((out += options_.prefix) += ':') += name) += '{';
  out += labels_;
  if (!labels.empty()) (out += ',') += labels;
  ((out += "} ") += numberText(value)) += '\n';
}

void Metrics::renderHistogram(std::string& out, Histogram histogram, std::string_view name,
                              std::string_view help) const {
  head(out, name, "histogram", help);
  const auto bounds = boundsOf(histogram);
  uint64_t count = 0;
  double sum = 0;
  for (size_t bin = 0; bin <= bounds.size(); ++bin) {
    for (const Shard& shard : shards_)
      count += shard.bins[static_cast<size_t>(histogram)].counts[bin].load(std::memory_order_relaxed);
    const std::string bound = bin < bounds.size() ? numberText(bounds[bin]) : "+Inf";
    line(out, std::string(name) + "_bucket", "le=\"" + bound + "\"", static_cast<double>(count));
  }
  for (const Shard& shard : shards_)
    sum += shard.bins[static_cast<size_t>(histogram)].sum.load(std::memory_order_relaxed);
  line(out, std::string(name) + "_count", {}, static_cast<double>(count));
  line(out, std::string(name) + "_sum", {}, sum);
}

void Metrics::counter(std::string& out, std::string_view name, std::string_view help, uint64_t value) const {
  const std::string wire = std::string(name) + "_total";
  head(out, wire, "counter", help);
  line(out, wire, {}, static_cast<double>(value));
}

void Metrics::renderEngine(std::string& out, const BackendStats& engine) const {
  const auto gauge = [&](std::string_view name, std::string_view help, double value) {
    head(out, name, "gauge", help);
    line(out, name, {}, value);
  };
  gauge("num_requests_running", "Number of requests in model execution batches.", engine.running);
  gauge("num_requests_waiting", "Number of requests waiting to be processed.", engine.waiting);
  head(out, "num_requests_waiting_by_reason", "gauge", "Waiting requests by what they wait for.");
  for (const auto& [reason, count] : {std::pair{"capacity", engine.waiting - std::min(engine.waiting, engine.deferred)},
                                      std::pair{"deferred", engine.deferred}})
    line(out, "num_requests_waiting_by_reason", "reason=\"" + std::string(reason) + "\"", count);
  gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", engine.kvUsage);
  if (options_.oldNames) {
    gauge("gpu_cache_usage_perc", "Old name of kv_cache_usage_perc.", engine.kvUsage);
    gauge("cpu_cache_usage_perc", "Use of the host memory for swapped requests. 1 means 100 percent usage.",
          engine.hostUsage);
    gauge("num_requests_swapped", "Number of requests swapped to host memory.", engine.swapped);
  }
  if (engine.kvPages > 0) {
    head(out, "cache_config_info", "gauge", "Information of the KV cache: tokens in a page, pages, prefix cache.");
    const uint64_t tokens = uint64_t{engine.kvPages} * engine.kvPageTokens;
    line(out, "cache_config_info",
         "block_size=\"" + std::to_string(engine.kvPageTokens) + "\",enable_prefix_caching=\"" +
             (engine.prefixCache ? "True" : "False") + "\",kv_cache_max_concurrency=\"" +
             numberText(static_cast<double>(tokens) / std::max(context_, 1u)) + "\",kv_cache_size_tokens=\"" +
             std::to_string(tokens) + "\",num_cpu_blocks=\"" + std::to_string(engine.hostPages) +
             "\",num_gpu_blocks=\"" + std::to_string(engine.kvPages) + "\"",
         1);
  }
  head(out, "engine_sleep_state", "gauge", "Engine sleep state; this engine never sleeps.");
  for (const auto& [state, value] :
       {std::pair{"awake", 1}, std::pair{"weights_offloaded", 0}, std::pair{"discard_all", 0}})
    line(out, "engine_sleep_state", "sleep_state=\"" + std::string(state) + "\"", value);
  counter(out, "num_preemptions", "Cumulative number of preemption from the engine.", engine.preemptions);
  counter(out, "prompt_tokens_recomputed",
          "Number of computed tokens that preemptions gave up: computed again, unless the prefix cache has them.",
          engine.recomputedTokens);
  counter(out, "prefix_cache_queries", "Prefix cache queries, in terms of number of queried tokens.",
          engine.prefixCacheQueries);
  counter(out, "prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens.", engine.prefixCacheHits);
}

void Metrics::renderCounters(std::string& out) const {
  const uint64_t prompt = total(Counter::kPromptTokens), cached = total(Counter::kCachedTokens);
  counter(out, "prompt_tokens", "Number of prefill tokens processed.", prompt);
  counter(out, "prompt_tokens_cached", "Number of prompt tokens found in the prefix cache.", cached);
  head(out, "prompt_tokens_by_source_total", "counter", "Number of prompt tokens by source.");
  // Read one after the other while others count: the difference must not wrap.
  for (const auto& [source, value] :
       {std::pair{"local_compute", prompt - std::min(prompt, cached)}, std::pair{"local_cache_hit", cached}})
    line(out, "prompt_tokens_by_source_total", "source=\"" + std::string(source) + "\"", static_cast<double>(value));
  counter(out, "generation_tokens", "Number of generation tokens processed.", total(Counter::kGenerationTokens));
  counter(out, "corrupted_requests", "Corrupted requests, in terms of total number of requests with NaNs in logits.",
          total(Counter::kCorrupted));
  head(out, "request_success_total", "counter", "Count of successfully processed requests.");
  for (const auto& [reason, which] :
       {std::pair{"stop", Counter::kStop}, std::pair{"length", Counter::kLength}, std::pair{"abort", Counter::kAbort},
        std::pair{"repetition", Counter::kRepetition}, std::pair{"error", Counter::kError}})
    line(out, "request_success_total", "finished_reason=\"" + std::string(reason) + "\"",
         static_cast<double>(total(which)));
}

std::string Metrics::render(const BackendStats& engine) const {
  std::string out;
  out.reserve(32 << 10);
  renderEngine(out, engine);
  renderCounters(out);
  for (const auto& [histogram, name, help] : kDescribed) renderHistogram(out, histogram, name, help);
  if (options_.oldNames)
    renderHistogram(out, Histogram::kInterToken, "time_per_output_token_seconds", "Old name of inter_token_latency.");
  head(out, "iteration_tokens_total", "histogram", "Histogram of number of tokens per engine_step.");
  uint64_t count = 0;
  for (size_t bin = 0; bin < kIterationTokenBuckets; ++bin) {
    count += engine.iterationTokens[bin];
    const std::string bound = bin + 1 < kIterationTokenBuckets ? numberText(kIterationTokenBounds[bin]) : "+Inf";
    line(out, "iteration_tokens_total_bucket", "le=\"" + bound + "\"", static_cast<double>(count));
  }
  line(out, "iteration_tokens_total_count", {}, static_cast<double>(count));
  line(out, "iteration_tokens_total_sum", {}, static_cast<double>(engine.iterationTokensSum));
  out += http_.render();
  return out;
}

}  // namespace llmc::rt::server
