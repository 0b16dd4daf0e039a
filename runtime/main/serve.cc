// llmc-run ENGINE: listens at once, loads on the engine's own thread, serves until a signal, drains.
#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/base/free_memory.h"
#include "runtime/base/system_error.h"
#include "runtime/device/cpu_topology.h"
#include "runtime/main/api_keys.h"
#include "runtime/main/modes.h"
#include "runtime/main/output.h"
#include "runtime/main/process_clock.h"
#include "runtime/main/scheduler_flags.h"
#include "runtime/main/serve_watch.h"
#include "runtime/main/session.h"
#include "runtime/main/start_screen.h"
#include "runtime/server/auth.h"
#include "runtime/server/loading_server.h"
#include "runtime/server/server.h"
#include "runtime/serving/engine_loop.h"

namespace llmc::rt {
namespace {

using serving::EngineLoop;

/// What the engine's thread hands over once it is loaded.
struct Loaded {
  std::unique_ptr<EngineLoop> loop;
  const Tokenizer* tokenizer = nullptr;
  std::optional<ChatTemplate> chatTemplate;
  std::string screen;
  std::vector<int> workerCpus;  ///< empty when they are not pinned
};

Result<server::ModelFacts> factsOf(const Session& session, const Flags& flags) {
  server::ModelFacts facts;
  facts.names = flags.servedNames;
  if (facts.names.empty()) facts.names = {modelName(session, flags.engine)};
  facts.context = session.context();
  facts.priorities = flags.policy == "priority";
  facts.vocabulary = session.model().vocab_size();
  facts.eosIds = session.eosIds();
  facts.bosId = session.model().bos_id();
  facts.addBos = session.model().add_bos();
  auto defaults = servedDefaults(session.samplingDefaults(), flags);
  LLMC_TRY(defaults.status());
  facts.defaults = defaults.take();
  if (session.samplingDefaults().perhapsReplaced && facts.defaults.temperature == 0 && !flags.temperature)
    writeNotice(
        "answers are greedy unless a request says otherwise: the engine holds temperature 0. Where its model says "
        "do_sample false, older builds wrote that in place of the model's temperature; build it again, or give "
        "--temperature or --generation-config vllm");
  return facts;
}

Result<serving::LoopExtras> extrasOf(const Flags& flags, Session& session, const SchedulerConfig& config,
                                     serving::Watchdog& watchdog) {
  serving::LoopExtras extras;
  extras.woke = [&watchdog] { watchdog.ring(); };
  extras.settled = releaseFreeMemory;
  extras.memory = session.memoryAhead();
  extras.asyncScheduling = flags.asyncScheduling;
  extras.notice = [](const std::string& text) { writeNotice(text); };
  if (config.preempt == PreemptMode::kSwap) {
    auto host = KvStore::create(session.kv().pageBytes(), config.hostPages);
    LLMC_TRY(host.status());
    extras.host = host.take();
  }
  if (flags.trace.empty()) return extras;
  auto trace = serving::StepTrace::create(flags.trace);
  LLMC_TRY(trace.status());
  extras.trace = trace.take();
  return extras;
}

Result<Loaded> load(Session& session, const Flags& flags, const std::string& address, serving::Watchdog& watchdog) {
  auto config = schedulerConfigOf(flags, session);
  LLMC_TRY(config.status());
  auto extras = extrasOf(flags, session, *config, watchdog);
  LLMC_TRY(extras.status());
  auto facts = factsOf(session, flags);
  LLMC_TRY(facts.status());
  auto loop = EngineLoop::create(session.executor(), session.kv(), facts.take(), *config, extras.take());
  LLMC_TRY(loop.status());
  Loaded loaded;
  loaded.loop = loop.take();
  auto tokenizer = session.tokenizer();
  LLMC_TRY(tokenizer.status());
  loaded.tokenizer = *tokenizer;
  if (auto chat = session.chatTemplate())
    loaded.chatTemplate = chat.take();
  else if (chat.status().code() != "EN_TEMPLATE")
    return chat.takeStatus();
  loaded.screen = startScreen(session, flags, address, config->hostPages);
  loaded.workerCpus.assign(session.pool().cpus().begin(), session.pool().cpus().end());
  return loaded;
}

/// Owns the session: workers belong to the thread that made them.
void engineThread(const Flags& flags, const std::string& address, serving::Watchdog& watchdog,
                  std::promise<Result<Loaded>> ready, Status& ended) {
  pthread_setname_np(pthread_self(), "llmc-engine");
  auto session = Session::open(
      flags, {.text = true, .sequences = flags.maxSequences, .sharedKv = true, .rows = flags.maxBatchedTokens});
  if (!session) return ready.set_value(session.takeStatus());
  auto loaded = load(**session, flags, address, watchdog);
  EngineLoop* loop = loaded ? loaded->loop.get() : nullptr;
  ready.set_value(std::move(loaded));
  if (!loop) return;
  ended = loop->run();
  if (!ended) ::kill(::getpid(), SIGTERM);  // the main thread drains what is left: nothing
}

/// What is written must not be what is read, nor written twice.
Status checkOutputs(const Flags& flags) {
  const std::string log = flags.accessLog == "-" ? "" : flags.accessLog;
  const std::pair<const char*, std::string> files[] = {{"--trace", flags.trace},
                                                       {"--access-log", log},
                                                       {"the engine", flags.engine},
                                                       {"--api-key-file", flags.apiKeyFile.value_or("")}};
  std::error_code ignored;
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = i + 1; j < std::size(files); ++j) {
      const auto& [left, one] = files[i];
      const auto& [right, other] = files[j];
      if (one.empty() || other.empty()) continue;
      // Devices take many writers.
      if (one != other && !std::filesystem::equivalent(one, other, ignored)) continue;
      if (std::filesystem::is_character_file(one, ignored)) continue;
      return Status::error(ErrorKind::kUsage, "CLI_FLAG",
                           std::string(left) + " and " + right + " are the same file, " + escaped(one),
                           "each needs a file of its own");
    }
  return Status::ok();
}

Result<server::ServerOptions> optionsOf(const Flags& flags) {
  server::ServerOptions options;
  auto keys = readApiKeys(flags);
  LLMC_TRY(keys.status());
  options.apiKeys = keys.take();
  options.version = LLMC_VERSION;
  options.openMetrics = flags.openMetrics;
  options.seed = flags.seed;
  LLMC_TRY(checkOutputs(flags));
  options.metrics = {flags.metricsPrefix, flags.oldMetricNames};
  options.logFormat = flags.logFormat == "json" ? server::LogFormat::kJson : server::LogFormat::kText;
  if (flags.accessLog == "-")
    options.accessLog = stderr;
  else if (!flags.accessLog.empty() && !(options.accessLog = std::fopen(flags.accessLog.c_str(), "ae")))
    return fileError("CLI_OUTPUT", "cannot write", flags.accessLog, errno, ErrorKind::kIo);
  options.notice = [](const std::string& text) { writeNotice(text); };
  return options;
}

std::string requests(uint32_t count) { return std::to_string(count) + (count == 1 ? " request" : " requests"); }

/// The signals that end the service, blocked from here on: called before any thread exists, so that only sigwait takes
/// them. A terminal that goes sends SIGHUP; who started us with that ignored, as nohup does, wants it to stay so, and a
/// blocked signal would be taken all the same.
sigset_t blockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  struct sigaction hangup = {};
  if (sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

/// Waits for a signal, then lets running answers end; a second signal ends at once.
void serveUntilSignal(server::Server& server, sigset_t signals, double drainSeconds) {
  int signal = 0;
  sigwait(&signals, &signal);
  sigdelset(&signals, SIGHUP);  // of a terminal that goes the shell sends one and the kernel another: no second wish
  writeNotice("draining: " + requests(server.load()) + " in work");
  server.drain();
  const timespec tick{0, 20'000'000};
  bool again = false;
  for (double waited = 0; waited < drainSeconds && server.load() > 0 && !again; waited += 0.02)
    again = sigtimedwait(&signals, nullptr, &tick) > 0;
  if (const uint32_t cut = server.load(); cut > 0) {
    char why[64];
    std::snprintf(why, sizeof why, again ? "a second signal came" : "the %g s of --drain-seconds are over",
                  drainSeconds);
    writeNotice("cut " + requests(cut) + " short: " + why);
  } else {
    writeNotice("drained: no request was cut short");
  }
  server.stop();
}

}  // namespace

Status runServe(const Flags& flags) {
  const sigset_t signals = blockStopSignals();
  auto options = optionsOf(flags);
  LLMC_TRY(options.status());
  LLMC_TRY(servedDefaults({}, flags).status());  // a mistake is told before anything is loaded
  auto host = server::Listener::resolve(flags.host);
  LLMC_TRY(host.status());
  LLMC_TRY(server::checkBind(*host, server::KeyRing(options->apiKeys)));
  if (flags.swapSpaceGiven && flags.preempt != "swap") writeNotice("--swap-space is not used without --preempt swap");
  auto listener = server::Listener::open(*host, static_cast<uint16_t>(flags.port));
  LLMC_TRY(listener.status());
  std::optional<server::LoadingServer> loading(std::in_place, **listener);
  std::promise<Result<Loaded>> promise;
  auto future = promise.get_future();
  Status ended = Status::ok();
  const std::string address = addressOf(flags.host, (*listener)->port());
  serving::Watchdog watchdog(watchLimitsOf(std::max(flags.watchdogSeconds, 1u)));
  std::thread engine(engineThread, std::cref(flags), std::cref(address), std::ref(watchdog), std::move(promise),
                     std::ref(ended));
  auto loaded = future.get();
  if (!loaded) {
    engine.join();
    return loaded.takeStatus();
  }
  writeNotice(loaded->screen);
  loading.reset();
  // The server's threads wake after each step. On a worker's CPU they would hold up the next one.
  keepOffCpus(loaded->workerCpus);
  options->busy = [&watchdog] { watchdog.ring(); };
  auto server = server::Server::create(options.take(), listener.take(), *loaded->loop,
                                       {*loaded->tokenizer, std::move(loaded->chatTemplate)});
  std::optional<ServeWatch> watch;
  if (server) {
    if (flags.watchdogSeconds > 0) watchdog.start(watch.emplace(*loaded->loop, **server));
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.2f s", millisecondsSinceStart() / 1e3);
    writeNotice("ready on " + address + "/v1 after " + seconds);
    serveUntilSignal(**server, signals, flags.drainSeconds);
  }
  loaded->loop->stop();
  engine.join();
  watchdog.stop();
  LLMC_TRY(server.status());
  return ended;
}

}  // namespace llmc::rt
