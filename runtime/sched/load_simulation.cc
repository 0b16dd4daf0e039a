// The loop that drives the scheduler, with a sum in place of the engine.
#include "runtime/sched/load_simulation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "runtime/sched/scheduler.h"

namespace llmc::rt {
namespace {

/// Token ids that are equal only where prefix and position are.
int32_t tokenOf(uint64_t stream, uint64_t position) {
  uint64_t x = stream * 0x9E3779B97F4A7C15ull + position * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 31)) * 0x94D049BB133111EBull;
  return static_cast<int32_t>((x >> 33) & 0x7FFFFFFF);
}

class Player {
 public:
  Player(std::span<const TraceRequest> trace, Scheduler& scheduler, uint32_t context, const StepCost& cost)
      : trace_(trace),
        scheduler_(scheduler),
        context_(context),
        cost_(cost),
        firstToken_(trace.size()),
        lastToken_(trace.size()) {}

  Result<LoadReport> run() {
    if (!trace_.empty()) now_ = arrival(0);
    while (next_ < trace_.size() || live_ > 0) {
      while (next_ < trace_.size() && arrival(next_) <= now_) submit(next_++);
      const StepPlan& plan = scheduler_.plan(now_);
      if (plan.empty()) {
        if (live_ > 0 && next_ == trace_.size() && ++idle_ > 2)
          return Status::error(ErrorKind::kInternal, "RT_SCHEDULER_STATE",
                               std::to_string(live_) + " requests are left and none of them runs");
        if (next_ < trace_.size()) now_ = std::max(now_, arrival(next_));
        continue;
      }
      idle_ = 0;
      step(plan);
    }
    return report();
  }

 private:
  /// When the scheduler has it. What a request takes after its first token counts as before: nobody sees where.
  double arrival(size_t index) const { return trace_[index].time + cost_.requestSeconds(); }

  void submit(size_t index) {
    if (const Status taken = offer(index); taken.isOk())
      ++live_;
    else if (++report_.refused == 1)
      report_.firstRefusal = {trace_[index].time, taken.message()};
  }

  /// The id of a request is its index in the trace.
  Status offer(size_t index) {
    const TraceRequest& one = trace_[index];
    // The scheduler cuts answers to the context; the server refuses such a request before it asks.
    if (const uint64_t tokens = uint64_t{one.prompt} + one.output; tokens > context_)
      return Status::error(
          ErrorKind::kBadInput, "RT_CONTEXT",
          "prompt and answer have " + std::to_string(tokens) + " tokens, the context is " + std::to_string(context_));
    RequestSpec spec;
    spec.id = index;
    spec.prompt.resize(one.prompt);
    for (uint32_t i = 0; i < one.prompt; ++i)
      spec.prompt[i] = i < one.prefixTokens ? tokenOf(one.prefix * 2, i) : tokenOf(index * 2 + 1, i);
    spec.maxNewTokens = one.output;
    spec.key = one.key;
    spec.priority = one.priority;
    return scheduler_.submit(std::move(spec), now_);
  }

  void step(const StepPlan& plan) {
    const SchedulerStats stats = scheduler_.stats();
    report_.peakRunning = std::max(report_.peakRunning, stats.running);
    report_.peakWaiting = std::max(report_.peakWaiting, stats.waiting);
    const uint32_t held = stats.totalPages - stats.freePages - stats.idlePages;
    report_.peakKvUse = std::max(report_.peakKvUse, static_cast<double>(held) / stats.totalPages);
    const StepShape shape = shapeOf(plan);
    const StepKind kind = kindOf(shape);
    now_ += cost_.seconds(shape) * cost_.variation(kind, stepped_[static_cast<size_t>(kind)]++);
    outcomes_.clear();
    for (const PlannedSample& sample : plan.samples) {
      outcomes_.push_back({tokenOf(sample.request * 2 + 1, sample.position), Verdict::kContinue});
      if (sample.generated == 0)
        firstToken_[sample.request] = now_;
      else
        itl_.push_back(now_ - lastToken_[sample.request]);
      lastToken_[sample.request] = now_;
    }
    scheduler_.complete(outcomes_, {}, now_);
    for (const FinishedSequence& end : scheduler_.takeFinished()) finish(end.request);
  }

  void finish(RequestId id) {
    const auto view = *scheduler_.view(id, 0);
    const auto made = view.tokens.size() - view.promptTokens;
    ++report_.completed;
    report_.inputTokens += view.promptTokens;
    report_.outputTokens += made;
    report_.cachedTokens += view.cachedTokens;
    ttft_.push_back(firstToken_[id] - trace_[id].time);
    e2el_.push_back(now_ - trace_[id].time);
    if (made > 1) tpot_.push_back((now_ - firstToken_[id]) / static_cast<double>(made - 1));
    (void)scheduler_.collect(id);
    --live_;
  }

  LoadReport report() {
    const SchedulerStats stats = scheduler_.stats();
    report_.steps = stats.steps;
    report_.preemptions = stats.preemptions;
    if (!trace_.empty()) report_.seconds = now_ - trace_[0].time;
    report_.ttft = distributionOf(ttft_);
    report_.tpot = distributionOf(tpot_);
    report_.itl = distributionOf(itl_);
    report_.e2el = distributionOf(e2el_);
    return report_;
  }

  const std::span<const TraceRequest> trace_;
  Scheduler& scheduler_;
  uint32_t context_;
  const StepCost& cost_;
  std::vector<double> firstToken_, lastToken_;    ///< [request] seconds
  std::vector<double> ttft_, tpot_, itl_, e2el_;  ///< seconds
  std::vector<SampleOutcome> outcomes_;
  double now_ = 0;
  size_t next_ = 0, live_ = 0;
  std::array<uint64_t, kStepKinds> stepped_{};  ///< [kind]
  int idle_ = 0;
  LoadReport report_;
};

}  // namespace

Distribution distributionOf(std::vector<double>& seconds) {
  Distribution result;
  if (seconds.empty()) return result;
  std::sort(seconds.begin(), seconds.end());
  const auto count = static_cast<double>(seconds.size());
  for (const double value : seconds) result.mean += value * 1000 / count;
  for (const double value : seconds) result.deviation += (value * 1000 - result.mean) * (value * 1000 - result.mean);
  result.deviation = std::sqrt(result.deviation / count);
  const auto at = [&](double share) {
    const double place = share * (count - 1);
    const auto below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, seconds.size() - 1);
    return 1000 * (seconds[below] + (place - std::floor(place)) * (seconds[above] - seconds[below]));
  };
  result.median = at(0.5);
  result.p90 = at(0.9);
  result.p95 = at(0.95);
  result.p99 = at(0.99);
  result.most = at(1);
  return result;
}

Result<LoadReport> simulateLoad(std::span<const TraceRequest> trace, const SchedulerConfig& config,
                                const StepCost& cost) {
  auto scheduler = Scheduler::create(config);
  LLMC_TRY(scheduler.status());
  return Player(trace, **scheduler, config.limits.maxContext, cost).run();
}

std::string loadTable(const LoadReport& r) {
  std::string text = "============ Serving Benchmark Result ============\n";
  const auto line = [&text](const char* format, const char* name, auto value) {
    char buffer[128];
    std::snprintf(buffer, sizeof buffer, format, name, value);
    text += buffer;
  };
  const auto whole = [&](const char* name, uint64_t value) {
    line("%-40s %-9llu\n", name, static_cast<unsigned long long>(value));
  };
  const auto real = [&](const char* name, double value) { line("%-40s %-9.2f\n", name, value); };
  whole("Successful requests:", r.completed);
  whole("Failed requests:", r.refused);
  real("Benchmark duration (s):", r.seconds);
  whole("Total input tokens:", r.inputTokens);
  whole("Total generated tokens:", r.outputTokens);
  real("Request throughput (req/s):", r.requestThroughput());
  real("Output token throughput (tok/s):", r.outputThroughput());
  real("Total token throughput (tok/s):", r.totalThroughput());
  const auto block = [&](const char* title, const char* name, const Distribution& d) {
    text += title;
    const std::string unit = std::string(name) + " (ms):";
    real(("Mean " + unit).c_str(), d.mean);
    real(("Median " + unit).c_str(), d.median);
    real(("P90 " + unit).c_str(), d.p90);
    real(("P99 " + unit).c_str(), d.p99);
  };
  block("---------------Time to First Token----------------\n", "TTFT", r.ttft);
  block("-----Time per Output Token (excl. 1st token)------\n", "TPOT", r.tpot);
  block("---------------Inter-token Latency----------------\n", "ITL", r.itl);
  block("----------------End-to-end Latency----------------\n", "E2EL", r.e2el);
  text += "--------------------Scheduler---------------------\n";
  whole("Steps:", r.steps);
  whole("Preemptions:", r.preemptions);
  whole("Prompt tokens from the prefix cache:", r.cachedTokens);
  whole("Most sequences running:", r.peakRunning);
  whole("Most requests waiting:", r.peakWaiting);
  real("Most KV pages in use (%):", 100 * r.peakKvUse);
  return text + "==================================================\n";
}

std::string loadJson(const LoadReport& r) {
  nlohmann::ordered_json json = {{"duration", r.seconds},
                                 {"completed", r.completed},
                                 {"failed", r.refused},
                                 {"total_input_tokens", r.inputTokens},
                                 {"total_output_tokens", r.outputTokens},
                                 {"request_throughput", r.requestThroughput()},
                                 {"output_throughput", r.outputThroughput()},
                                 {"total_token_throughput", r.totalThroughput()}};
  const std::pair<const char*, const Distribution*> all[] = {
      {"ttft", &r.ttft}, {"tpot", &r.tpot}, {"itl", &r.itl}, {"e2el", &r.e2el}};
  for (const auto& [name, d] : all) {
    const std::pair<const char*, double> values[] = {{"mean_", d->mean}, {"median_", d->median}, {"std_", d->deviation},
                                                     {"p90_", d->p90},   {"p95_", d->p95},       {"p99_", d->p99}};
    for (const auto& [kind, value] : values) json[std::string(kind) + name + "_ms"] = value;
  }
  json["steps"] = r.steps;
  json["preemptions"] = r.preemptions;
  json["cached_prompt_tokens"] = r.cachedTokens;
  json["peak_running"] = r.peakRunning;
  json["peak_waiting"] = r.peakWaiting;
  json["peak_kv_use"] = r.peakKvUse;
  return json.dump();
}

}  // namespace llmc::rt
