// The caller's thread drives the engine's loop, another one is server and client.
#include "runtime/main/serving_meter.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/device/cpu_topology.h"
#include "runtime/main/process_clock.h"
#include "runtime/server/server.h"

namespace llmc::rt {
namespace {

constexpr int kRounds = 3, kRequests = 9;
/// Tokens of an answer, of which the first and last steps are not those of all streams, and of the prompt.
constexpr uint32_t kTokens = 40, kPrompt = 2;
/// Stretches of steps alike: so many at least, without the first ones.
constexpr size_t kFewest = 8, kFirst = 2;
constexpr uint32_t kMostStreams = 256;
/// A rehearsal: requests begin for so long, rest at most so long, and are hung up on after as long again.
constexpr double kRehearsal = 8, kMostRest = 0.5;
constexpr std::chrono::milliseconds kBetween{20};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Status fault(std::string text) {
  return Status::error(ErrorKind::kUnavailable, "RT_METER", "what serving costs cannot be measured: " + text,
                       "--step-cost FILE takes costs that were measured before");
}

/// A request over a connection of its own, and its answer.
class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() {
    if (fd_ >= 0) close(fd_);
  }
  /// Prompt token ids as in JSON; `clientSeconds` of CPU time go by for each token that comes.
  bool ask(uint16_t port, std::string_view prompt, uint32_t tokens, double clientSeconds) {
    clientSeconds_ = clientSeconds;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0 || connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return false;
    const std::string body = R"({"prompt":[)" + std::string(prompt) +
                             R"(],"temperature":0,"ignore_eos":true,"stream":true,"max_tokens":)" +
                             std::to_string(tokens) + "}";
    const std::string text =
        "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    return send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  int descriptor() const { return over_ ? -1 : fd_; }
  /// Of a descriptor that is readable.
  void read() {
    char buffer[1 << 14];
    const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
    over_ = count <= 0;
    if (over_) return;
    const size_t before = text_.size() - std::min(text_.size(), kEvent.size() - 1);
    text_.append(buffer, static_cast<size_t>(count));
    size_t tokens = 0;
    for (size_t at = before; (at = text_.find(kEvent, at)) != std::string::npos; ++at) ++tokens;
    if (tokens > 0 && told_ == 0) told_ = monotonicSeconds();
    work(static_cast<double>(tokens) * clientSeconds_);
  }
  double told() const { return told_; }  ///< when its first token came, on the process's clock; 0: not yet
  bool over() const { return over_; }
  bool whole() const { return text_.starts_with("HTTP/1.1 200 ") && text_.find("data: [DONE]") != std::string::npos; }

 private:
  static constexpr std::string_view kEvent = "data: ";

  /// What a client does with its tokens: CPU time, not time that goes by while another thread has the CPU.
  static void work(double seconds) {
    if (seconds <= 0) return;
    const double end = threadCpuSeconds() + seconds;
    while (threadCpuSeconds() < end) {
    }
  }

  int fd_ = -1;
  double clientSeconds_ = 0;
  std::string text_;
  double told_ = 0;
  bool over_ = false;
};

/// So many requests at once, until all are answered whole. Seconds until the first of them had a token; negative: one
/// was not.
double ask(uint16_t port, uint32_t streams, uint32_t tokens, double clientSeconds) {
  constexpr int kMostMilliseconds = 60'000;
  std::vector<Stream> all(streams);
  std::vector<pollfd> waits(streams);
  const double begin = monotonicSeconds();
  double first = -1;
  for (Stream& one : all)
    if (!one.ask(port, "0,1", tokens, clientSeconds)) return -1;
  for (;;) {
    for (uint32_t i = 0; i < streams; ++i) waits[i] = {all[i].descriptor(), POLLIN, 0};
    if (poll(waits.data(), streams, kMostMilliseconds) <= 0) return -1;
    for (uint32_t i = 0; i < streams; ++i) {
      if (!waits[i].revents) continue;
      all[i].read();
      if (first < 0 && all[i].told() > 0) first = all[i].told() - begin;
    }
    if (std::all_of(all.begin(), all.end(), [](const Stream& one) { return one.over(); })) break;
  }
  return std::all_of(all.begin(), all.end(), [](const Stream& one) { return one.whole(); }) ? first : -1;
}

/// Ids that no other request begins with, so that nothing is found in the prefix cache.
std::string promptOf(uint32_t tokens, size_t request, uint32_t vocabulary) {
  std::string text;
  uint64_t x = request + 1;
  for (uint32_t i = 0; i < tokens; ++i) {
    x = x * 6364136223846793005ull + 1442695040888963407ull;
    text += (i ? "," : "") + std::to_string((x >> 33) % vocabulary);
  }
  return text;
}

/// The requests at their times, until all are answered or it has taken long enough: whoever runs then is hung up on.
/// False: one that was answered was not answered whole.
bool rehearse(uint16_t port, std::span<const TraceRequest> requests, uint32_t vocabulary, double clientSeconds) {
  std::vector<std::string> prompts;
  for (const TraceRequest& one : requests) prompts.push_back(promptOf(one.prompt, prompts.size(), vocabulary));
  std::vector<Stream> all(requests.size());
  std::vector<pollfd> waits(requests.size());
  const double begin = monotonicSeconds();
  size_t asked = 0;
  for (double now = 0; now < 2 * kRehearsal; now = monotonicSeconds() - begin) {
    for (; asked < all.size() && requests[asked].time <= now; ++asked)
      if (!all[asked].ask(port, prompts[asked], requests[asked].output, clientSeconds)) return false;
    const auto running = std::span(all).first(asked);
    const bool over = std::all_of(running.begin(), running.end(), [](const Stream& one) { return one.over(); });
    if (over && asked == all.size()) break;
    const double rest = asked < all.size() ? requests[asked].time - now : kMostRest;
    for (size_t i = 0; i < asked; ++i) waits[i] = {all[i].descriptor(), POLLIN, 0};
    if (poll(waits.data(), asked, static_cast<int>(std::ceil(1e3 * rest))) < 0) return false;
    for (size_t i = 0; i < asked; ++i)
      if (waits[i].revents) all[i].read();
  }
  return std::all_of(all.begin(), all.end(), [](const Stream& one) { return !one.over() || one.whole(); });
}

/// 1, 2, 3, 4, 6, 8, 12, 16, 24 ... up to `most`.
std::vector<uint32_t> countsOfStreams(uint32_t most) {
  std::vector<uint32_t> counts;
  for (uint32_t n = 1; n < most; n *= 2) {
    counts.push_back(n);
    if (n > 1 && n + n / 2 < most) counts.push_back(n + n / 2);
  }
  counts.push_back(most);
  return counts;
}

}  // namespace

std::vector<StepPoint> servedPoints(std::span<const serving::TracedStep> steps, const StepCost& bare) {
  std::map<uint32_t, std::vector<double>> means;  // of each number of rows
  const auto alike = [](const serving::TracedStep& a, const serving::TracedStep& b) {
    return a.prefillTokens == 0 && b.prefillTokens == 0 && a.rows == b.rows && b.number == a.number + 1;
  };
  for (size_t at = 0; at < steps.size();) {
    size_t end = at + 1;
    while (end < steps.size() && alike(steps[end - 1], steps[end])) ++end;
    if (end - at >= kFewest + kFirst) {
      double beyond = 0;
      for (size_t i = at + kFirst; i + 1 < end; ++i) {
        const serving::TracedStep& s = steps[i];
        beyond += steps[i + 1].begin - s.begin -
                  bare.seconds({s.tokens, s.sequences, s.rows, s.attended, s.attendedAlone, s.moves});
      }
      means[steps[at].rows].push_back(beyond / static_cast<double>(end - 1 - (at + kFirst)));
    }
    at = end;
  }
  std::vector<StepPoint> points;
  for (auto& [rows, all] : means) points.push_back({rows, median(std::move(all))});
  return points;
}

std::array<std::vector<double>, kStepKinds> variationOf(std::span<const serving::TracedStep> steps,
                                                        const StepCost& cost) {
  std::array<std::vector<double>, kStepKinds> variation;
  for (size_t i = 0; i < steps.size(); ++i) {
    const serving::TracedStep& s = steps[i];
    const StepShape shape{s.tokens, s.sequences, s.rows, s.attended, s.attendedAlone, s.moves};
    const bool followed = i + 1 < steps.size() && s.running + s.waiting > 0;
    const double share = ((followed ? steps[i + 1].begin : s.told) - s.begin) / cost.seconds(shape);
    // Four digits: there are thousands in the costs' file.
    if (share > 0)
      variation[static_cast<size_t>(kindOf(shape))].push_back(std::max(std::round(share * 1e4), 1.0) / 1e4);
  }
  return variation;
}

std::vector<TraceRequest> rehearsalOf(std::span<const TraceRequest> trace, uint32_t room) {
  std::vector<TraceRequest> requests;
  double now = 0, before = trace.empty() ? 0 : trace[0].time;
  for (const TraceRequest& one : trace) {
    now += std::min(one.time - std::exchange(before, one.time), kMostRest);
    if (now > kRehearsal || requests.size() == kMostStreams) break;
    if (uint64_t{one.prompt} + one.output > room) continue;
    requests.push_back(one);
    requests.back().time = now;
  }
  return requests;
}

ServingMeter::ServingMeter() : front_([this] { front(); }) {}

ServingMeter::~ServingMeter() {
  if (!front_.joinable()) return;
  work_.set_value({});
  front_.join();
}

void ServingMeter::front() {
  const Work work = work_.get_future().get();
  if (!work.loop) return;
  keepOffCpus(work.workers);
  loaded_ = load(work);
  clientCpu_ = threadCpuSeconds();
  work.loop->stop();
}

void ServingMeter::sayWaves(const Work& work) {
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.0f s", std::max(1.0, kRounds * work.waveSeconds));
  work.say("measuring what serving adds, with 1 to " + std::to_string(work.streams.back()) +
           " streams at once, about " + seconds);
}

void ServingMeter::sayRehearsal(const Work& work) {
  char seconds[64];
  std::snprintf(seconds, sizeof seconds, "%.0f to %.0f s", std::ceil(work.rehearsal.back().time),
                work.rehearsal.back().time + kRehearsal);
  work.say("playing the first " + std::to_string(work.rehearsal.size()) + " requests, " + seconds);
}

Status ServingMeter::load(const Work& work) {
  auto listener = server::Listener::open("127.0.0.1", 0);
  LLMC_TRY(listener.status());
  auto server = server::Server::create({}, listener.take(), *work.loop, {*work.tokenizer, std::nullopt});
  LLMC_TRY(server.status());
  const uint16_t port = (*server)->port();
  if (work.say) sayWaves(work);
  bool good = true;
  for (int round = 0; round < kRounds && good; ++round)
    for (const uint32_t streams : work.streams) good = good && ask(port, streams, work.tokens, work.clientSeconds) >= 0;
  for (int i = 0; i < kRequests && good; ++i) {
    latencies_.push_back(ask(port, 1, 1, work.clientSeconds));
    good = latencies_.back() >= 0;
  }
  std::this_thread::sleep_for(kBetween);  // the last step is told before it is heard of
  rehearsed_ = monotonicSeconds();
  if (work.say && !work.rehearsal.empty()) sayRehearsal(work);
  good = good && rehearse(port, work.rehearsal, work.vocabulary, work.clientSeconds);
  (*server)->stop();
  return good ? Status::ok() : fault("a request to this process over 127.0.0.1 was not answered whole");
}

/// To `bare` what was heard: of the waves what serving adds, of the single requests what is beside steps, of the
/// rehearsal how steps vary.
Status ServingMeter::add(const Heard& heard, StepCosts& bare) const {
  auto cost = MeasuredStepCost::create(bare);
  LLMC_TRY(cost.status());
  const auto waves =
      static_cast<size_t>(std::lower_bound(heard.at.begin(), heard.at.end(), rehearsed_) - heard.at.begin());
  const auto steps = std::span(heard.steps).first(waves);
  bare.served = servedPoints(steps, *cost);
  std::vector<double> beside;
  for (size_t i = 0; i < latencies_.size() && i < steps.size(); ++i) {
    const serving::TracedStep& step = steps[steps.size() - latencies_.size() + i];
    beside.push_back(std::max(0.0, latencies_[i] - (step.told - step.begin)));
  }
  bare.perRequest = median(std::move(beside));
  auto served = MeasuredStepCost::create(bare);
  LLMC_TRY(served.status());
  bare.variation = variationOf(std::span(heard.steps).subspan(waves), *served);
  return Status::ok();
}

Status ServingMeter::measure(Session& session, SchedulerConfig config, std::span<const TraceRequest> trace,
                             double clientSeconds, StepCosts& bare,
                             const std::function<void(const std::string&)>& say) {
  auto tokenizer = session.tokenizer();
  LLMC_TRY(tokenizer.status());
  const uint32_t tokens = std::min(kTokens, session.context() - std::min(session.context(), kPrompt));
  const uint32_t pages = (tokens + kPrompt + kPageTokens - 1) / kPageTokens;
  const uint32_t most = std::min({config.limits.maxSequences, kMostStreams, session.kv().pages() / pages});
  if (tokens < kFewest + kFirst || most == 0) return Status::ok();  // such a context has no steps alike
  const auto room =
      static_cast<uint32_t>(std::min<uint64_t>(session.context(), uint64_t{session.kv().pages()} * kPageTokens));
  config.maxQueue = std::max(config.maxQueue, kMostStreams);
  Heard heard;
  server::ModelFacts facts;
  facts.names = {"m"};
  facts.context = session.context();
  facts.vocabulary = session.model().vocab_size();
  serving::LoopExtras extras;
  extras.memory = session.memoryAhead();
  // A server that has rested has memory ready; one that clears it between requests takes 5 ms of each, and that is not
  // what a request costs.
  while (extras.memory && extras.memory->advance()) {
  }
  extras.stepped = [&heard](const serving::TracedStep& step) {
    heard.steps.push_back(step);
    heard.at.push_back(monotonicSeconds());
  };
  auto loop =
      serving::EngineLoop::create(session.executor(), session.kv(), std::move(facts), config, std::move(extras));
  LLMC_TRY(loop.status());
  auto cost = MeasuredStepCost::create(bare);
  LLMC_TRY(cost.status());
  const std::vector<uint32_t> streams = countsOfStreams(most);
  double seconds = 0;
  for (const uint32_t n : streams) seconds += tokens * cost->seconds({.tokens = n, .sequences = n, .rows = n});
  work_.set_value({loop->get(), *tokenizer, session.pool().cpus(), streams, tokens, rehearsalOf(trace, room),
                   session.model().vocab_size(), clientSeconds, seconds, say});
  const Status ran = (*loop)->run();
  front_.join();
  LLMC_TRY(ran);
  LLMC_TRY(loaded_);
  return add(heard, bare);
}

}  // namespace llmc::rt
