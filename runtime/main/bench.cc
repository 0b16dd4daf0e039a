// --bench: prefill and decode speed of S sequences run together, beside the memory bandwidth of the same machine.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "runtime/device/bandwidth.h"
#include "runtime/device/cpu_features.h"
#include "runtime/device/cuda/copy_bandwidth.h"
#include "runtime/kv/sequence_cache.h"
#include "runtime/main/json_output.h"
#include "runtime/main/kernel_trace.h"
#include "runtime/main/modes.h"
#include "runtime/main/output.h"
#include "runtime/main/process_clock.h"
#include "runtime/main/profile_report.h"
#include "runtime/main/session.h"
#include "runtime/sample/sampler.h"
#include "runtime/sample/tile_argmax.h"

namespace llmc::rt {
namespace {

using Json = nlohmann::ordered_json;

/// One repeat.
struct Timing {
  double ttftMilliseconds = 0;  ///< from the first prompt token until every stream has its first token
  double prefillTokensPerSecond = 0;
  double decodeTokensPerSecond = 0;  ///< of all streams together; 0 when only one token is generated
  double decodeSteps = 0;            ///< steps a second
};

/// Weight bytes that one decode step reads: those that its launches name, without tables read a row at a time.
uint64_t weightBytesAStep(const fb::Engine& plan) {
  std::set<uint32_t> weights;
  for (const auto* phase : *plan.programs()->Get(0)->phases())
    for (const auto* launch : *phase->launches()) {
      const auto* kernel = plan.kernels()->Get(launch->kernel());
      if (kernel->family() && kernel->family()->string_view() == "embed") continue;
      for (const auto* arg : *launch->args())
        if (arg->kind() == fb::ArgKind::Weight && plan.weights()->Get(arg->index())->rows() > 1)
          weights.insert(arg->index());
    }
  uint64_t bytes = 0;
  for (const uint32_t index : weights) bytes += plan.weights()->Get(index)->size();
  return bytes;
}

/// Ordinary tokens in a fixed order. tests/bench/peer.py makes the same ids for the other side of a comparison.
std::vector<int32_t> madeUpIds(uint32_t count, uint32_t vocabulary, uint32_t seed) {
  constexpr uint32_t kBytes = 256, kMost = 32000;  // byte tokens and rare ones are left out where there are others
  const uint32_t first = vocabulary > 2 * kBytes ? kBytes : 0;
  const uint32_t range = std::min(vocabulary, kMost) - first;
  std::vector<int32_t> ids(count);
  uint64_t state = seed;
  for (int32_t& id : ids) {
    state = (state * 1103515245 + 12345) % (uint64_t{1} << 31);
    id = static_cast<int32_t>(first + (state >> 8) % range);
  }
  return ids;
}

/// Hands what it hears to a profile, a trace, or both.
class Ears : public StepObserver {
 public:
  StepProfile* profile = nullptr;
  KernelTrace* trace = nullptr;
  void begin(uint64_t now) override {
    each([&](StepObserver& o) { o.begin(now); });
  }
  void add(const MeasuredStep& step) override {
    each([&](StepObserver& o) { o.add(step); });
  }
  void end(uint64_t now) override {
    each([&](StepObserver& o) { o.end(now); });
  }

 private:
  template <typename Tell>
  void each(Tell&& tell) {
    if (profile) tell(*profile);
    if (trace) tell(*trace);
  }
};

class Bench {
 public:
  /// `trace`: of the last repeat; null: none.
  Bench(Session& session, const Flags& flags, KernelTrace* trace)
      : session_(session),
        flags_(flags),
        trace_(trace),
        sampler_(session.executor().vocabulary()),
        prefillProfile_(session.model().sliding_window()),
        decodeProfile_(session.model().sliding_window()) {
    greedy_.temperature = 0;
    for (uint32_t s = 0; s < flags.benchStreams; ++s)
      prompts_.push_back(madeUpIds(flags.benchPromptTokens, session.executor().vocabulary(), s + 1));
  }

  Result<Timing> repeat(bool last) {
    caches_.clear();
    for (uint32_t s = 0; s < flags_.benchStreams; ++s) caches_.emplace_back(session_.kv(), session_.context());
    next_.assign(flags_.benchStreams, 0);
    listen(prefillProfile_, last, "prefill");
    const double start = monotonicSeconds();
    LLMC_TRY(prefillAll());
    const double first = monotonicSeconds();
    listen(decodeProfile_, last, "decode");
    for (uint32_t i = 1; i < flags_.benchOutputTokens; ++i) LLMC_TRY(decodeAll());
    const double decodeSeconds = monotonicSeconds() - first;
    session_.executor().measure(nullptr);
    Timing timing;
    const double streams = flags_.benchStreams;
    timing.ttftMilliseconds = (first - start) * 1e3;
    timing.prefillTokensPerSecond = rate(streams * flags_.benchPromptTokens, first - start);
    timing.decodeSteps = rate(flags_.benchOutputTokens - 1, decodeSeconds);
    timing.decodeTokensPerSecond = streams * timing.decodeSteps;
    return timing;
  }

  ComputePeaks measurePeaks() const { return measureComputePeaks(session_.pool(), session_.levelName()); }

  /// Where the time of all repeats went, against limits of the same minute. `bandwidth`: bytes a second.
  Json profile(double bandwidth, const ComputePeaks& peaks) const {
    const MachineLimits limits{bandwidth, peaks};
    const fb::Engine& plan = session_.engine().plan();
    return {{"limits", limitsJson(limits)},
            {"prefill", profileJson(prefillProfile_, plan, limits)},
            {"decode", profileJson(decodeProfile_, plan, limits)}};
  }

 private:
  void listen(StepProfile& profile, bool last, const char* steps) {
    session_.executor().measure(nullptr);
    ears_.profile = flags_.profile ? &profile : nullptr;
    ears_.trace = last ? trace_ : nullptr;
    if (ears_.trace) ears_.trace->name(steps);
    if (ears_.profile || ears_.trace) session_.executor().measure(&ears_);
  }

  /// Fills each step with prompt tokens of as many streams as fit.
  Status prefillAll() {
    uint32_t stream = 0;
    while (stream < flags_.benchStreams) {
      steps_.clear();
      streams_.clear();
      uint32_t room = session_.executor().limits().maxTokens;
      while (room > 0 && stream < flags_.benchStreams) {
        SequenceCache& cache = caches_[stream];
        const uint32_t start = cache.length();
        const uint32_t count = std::min(room, flags_.benchPromptTokens - start);
        const bool last = start + count == flags_.benchPromptTokens;
        LLMC_TRY(cache.append(count));
        steps_.push_back({std::span<const int32_t>(prompts_[stream]).subspan(start, count),
                          cache.pages(),
                          start,
                          last ? RowChoice::kLast : RowChoice::kNone,
                          {},
                          /*apart=*/false,
                          /*logits=*/false});
        streams_.push_back(stream);
        room -= count;
        if (!last) break;
        ++stream;
      }
      LLMC_TRY(stepAndSample());
    }
    return Status::ok();
  }

  Status decodeAll() {
    steps_.clear();
    streams_.clear();
    for (uint32_t s = 0; s < flags_.benchStreams; ++s) {
      const uint32_t start = caches_[s].length();
      LLMC_TRY(caches_[s].append(1));
      steps_.push_back({std::span<const int32_t>(next_).subspan(s, 1),
                        caches_[s].pages(),
                        start,
                        RowChoice::kLast,
                        {},
                        /*apart=*/false,
                        /*logits=*/false});
      streams_.push_back(s);
    }
    return stepAndSample();
  }

  Status stepAndSample() {
    LLMC_TRY(session_.executor().step(steps_));
    uint32_t row = 0;
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i].rows == RowChoice::kNone) continue;
      SampleRequest request;
      request.params = &greedy_;
      const auto tiles = session_.executor().tiles(row);
      auto token =
          tiles.empty() ? sampler_.sample(session_.executor().logits(row), request, nullptr) : bestOfTiles(tiles);
      ++row;
      LLMC_TRY(token.status());
      next_[streams_[i]] = *token;
    }
    return Status::ok();
  }

  Session& session_;
  const Flags& flags_;
  KernelTrace* trace_;
  Sampler sampler_;
  Ears ears_;
  StepProfile prefillProfile_, decodeProfile_;
  SamplingParams greedy_;
  std::vector<std::vector<int32_t>> prompts_;
  std::vector<SequenceCache> caches_;
  std::vector<int32_t> next_;  ///< [streams] token to decode next
  std::vector<StepSequence> steps_;
  std::vector<uint32_t> streams_;  ///< stream of each entry of steps_
};

Json facts(Session& session, const Flags& flags, double bandwidth) {
  const fb::Model& model = session.model();
  const auto text = [](const flatbuffers::String* s) { return s ? s->str() : std::string(); };
  Json json{{"model", modelName(session, flags.engine)},
            {"scheme", text(model.scheme())},
            {"parameters", model.parameters()},
            {"cpu", cpuBrand()},
            {"level", session.levelName()},
            {"threads", session.pool().workers()},
            {"placement", placementText(session.pool().placement(), session.memoryNodes())},
            {"prompt_tokens", flags.benchPromptTokens},
            {"output_tokens", flags.benchOutputTokens},
            {"streams", flags.benchStreams}};
  if (session.device()) json["device"] = session.device()->name();
  json[session.device() ? "copy_bandwidth_gb_per_s" : "read_bandwidth_gb_per_s"] = bandwidth / 1e9;
  return json;
}

/// What a step that does nothing but move its bytes is held against.
Result<double> measureBandwidth(Session& session) {
  return session.device() ? cuda::measureCopyBandwidth(session.device()->stream())
                          : measureReadBandwidth(session.pool());
}

std::string table(const Json& json) {
  char line[256];
  const bool device = json.contains("device");
  std::string text = json["model"].get<std::string>() + " (" + json["scheme"].get<std::string>() + ") on " +
                     json[device ? "device" : "cpu"].get<std::string>() + ", " + json["level"].get<std::string>() +
                     "\n";
  std::snprintf(line, sizeof line, "%d threads, %d streams, %d prompt and %d output tokens, memory %s at %.1f GB/s\n",
                json["threads"].get<int>(), json["streams"].get<int>(), json["prompt_tokens"].get<int>(),
                json["output_tokens"].get<int>(), device ? "copies" : "reads",
                json[device ? "copy_bandwidth_gb_per_s" : "read_bandwidth_gb_per_s"].get<double>());
  text += line + json["placement"].get<std::string>() + "\n";
  text += "  ttft ms   prefill tok/s   decode tok/s   of bandwidth\n";
  for (const auto& repeat : json["repeats"]) {
    std::snprintf(line, sizeof line, "%9.2f %15.1f %14.1f %13.0f%%\n", repeat["ttft_ms"].get<double>(),
                  repeat["prefill_tokens_per_s"].get<double>(), repeat["decode_tokens_per_s"].get<double>(),
                  repeat["bandwidth_share"].get<double>() * 100);
    text += line;
  }
  if (json.contains("profile"))
    text += "\n" + limitsLine(json["profile"]["limits"]) + profileTable(json["profile"]["prefill"], "prefill") + "\n" +
            profileTable(json["profile"]["decode"], "decode");
  return text;
}

}  // namespace

Status runBench(const Flags& flags) {
  auto opened = Session::open(flags, {.text = false, .sequences = flags.benchStreams, .rows = flags.benchStreams});
  LLMC_TRY(opened.status());
  Session& session = **opened;
  const uint64_t needed = uint64_t{flags.benchPromptTokens} + flags.benchOutputTokens;
  if (needed > session.context())
    return Status::error(ErrorKind::kUsage, "RT_CONTEXT",
                         std::to_string(needed) + " tokens a stream, the context is " +
                             std::to_string(session.context()) +
                             (flags.benchStreams > 1 ? " with the memory of " + std::to_string(flags.benchStreams) +
                                                           " streams; fewer --streams, fewer tokens or more --kv-memory"
                                                     : "; fewer --prompt-tokens or --output-tokens"));
  if ((flags.profile || !flags.trace.empty()) && session.device())
    return Status::error(ErrorKind::kUsage, "CLI_FLAG",
                         "--profile and --trace time the kernels of a CPU, this engine runs on a GPU",
                         "leave them out; nsys profile shows a GPU's kernels by name");
  auto bandwidth = measureBandwidth(session);
  LLMC_TRY(bandwidth.status());
  std::unique_ptr<KernelTrace> trace;
  if (!flags.trace.empty()) {
    auto created = KernelTrace::create(flags.trace, session.engine().plan(), session.pool().workers());
    LLMC_TRY(created.status());
    trace = created.take();
  }
  Bench bench(session, flags, trace.get());
  // K and V of half the generated tokens are there on average.
  const double kvBytes = (flags.benchPromptTokens + flags.benchOutputTokens / 2.0) * flags.benchStreams *
                         static_cast<double>(session.kv().pageBytes()) / kPageTokens;
  const double stepBytes = static_cast<double>(weightBytesAStep(session.engine().plan())) + kvBytes;
  const ComputePeaks peaks = flags.profile ? bench.measurePeaks() : ComputePeaks();
  std::vector<Timing> timings;
  for (uint32_t i = 0; i < flags.benchRepeat; ++i) {
    auto timing = bench.repeat(i + 1 == flags.benchRepeat);
    LLMC_TRY(timing.status());
    timings.push_back(*timing);
  }
  // Other guests of a virtual machine leave more or less of memory and cores from one second to the next: limits are
  // the better of the moments before and after.
  auto after = measureBandwidth(session);
  LLMC_TRY(after.status());
  const double limit = std::max(*bandwidth, *after);
  Json json = facts(session, flags, limit);
  json["bytes_per_decode_step"] = stepBytes;
  json["load_ms"] = session.loadMilliseconds();
  json["repeats"] = Json::array();
  for (const Timing& timing : timings)
    json["repeats"].push_back({{"ttft_ms", timing.ttftMilliseconds},
                               {"prefill_tokens_per_s", timing.prefillTokensPerSecond},
                               {"decode_tokens_per_s", timing.decodeTokensPerSecond},
                               {"bandwidth_share", limit > 0 ? timing.decodeSteps * stepBytes / limit : 0}});
  if (flags.profile) json["profile"] = bench.profile(limit, betterPeaks(peaks, bench.measurePeaks()));
  if (trace) LLMC_TRY(trace->finish());
  return writeOutput(flags.json ? json.dump() + "\n" : table(json));
}

}  // namespace llmc::rt
