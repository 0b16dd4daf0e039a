// llmc-run ENGINE: listens at once, loads on the engine's own thread, serves until a signal, drains.
#include <csignal>
#include <fstream>
#include <future>
#include <memory>
#include <thread>

#include "runtime/main/modes.h"
#include "runtime/main/output.h"
#include "runtime/main/process_clock.h"
#include "runtime/main/session.h"
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
  std::string summary;
};

Result<Policy> policyOf(const std::string& name) {
  if (name == "fcfs") return Policy::kFcfs;
  if (name == "priority") return Policy::kPriority;
  if (name == "mlfq") return Policy::kMlfq;
  return Status::error(ErrorKind::kUsage, "CLI_FLAG",
                       "--policy must be fcfs, priority or mlfq, found '" + escaped(name, 40) + "'");
}

server::ModelFacts factsOf(const Session& session, const Flags& flags) {
  server::ModelFacts facts;
  facts.names = flags.servedNames;
  if (facts.names.empty()) {
    const auto* name = session.model().name();
    facts.names = {name && name->size() ? name->str() : flags.engine};
  }
  facts.context = session.context();
  facts.vocabulary = session.model().vocab_size();
  facts.eosIds = session.eosIds();
  facts.bosId = session.model().bos_id();
  facts.addBos = session.model().add_bos();
  facts.defaults = session.samplingDefaults();
  return facts;
}

std::string summaryOf(Session& session) {
  const uint64_t tokens = uint64_t{session.kv().pages()} * kPageTokens;
  const auto* name = session.model().name();
  std::string text = (name ? name->str() : std::string("model")) + ", " + session.levelName() + ", " +
                     std::to_string(session.pool().workers()) + " workers\nKV cache " +
                     formatBytes(session.kv().pages() * session.kv().pageBytes()) + ": " + std::to_string(tokens) +
                     " tokens, workspace " + formatBytes(session.executor().workspaceBytes()) + "; room for ";
  for (const uint32_t context : {1024u, 4096u, session.context()})
    if (context <= session.context())
      text += std::to_string(tokens / context) + " sequences of " + std::to_string(context) +
              (context == session.context() ? " tokens" : ", ");
  return text;
}

Result<Loaded> load(Session& session, const Flags& flags) {
  auto policy = policyOf(flags.policy);
  LLMC_TRY(policy.status());
  SchedulerConfig config;
  config.limits = session.executor().limits();
  config.pages = session.kv().pages();
  config.maxQueue = flags.maxQueue;
  config.policy = *policy;
  config.prefixCache = flags.prefixCache;
  config.promptStretch = flags.promptStretch.value_or(2);
  auto loop = EngineLoop::create(session.executor(), session.kv(), factsOf(session, flags), config);
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
  loaded.summary = summaryOf(session);
  return loaded;
}

/// Owns the session: workers belong to the thread that made them.
void engineThread(const Flags& flags, std::promise<Result<Loaded>> ready, Status& ended) {
  auto session = Session::open(
      flags, {.text = true, .sequences = flags.maxSequences, .sharedKv = true, .rows = flags.maxBatchedTokens});
  if (!session) return ready.set_value(session.takeStatus());
  auto loaded = load(**session, flags);
  EngineLoop* loop = loaded ? loaded->loop.get() : nullptr;
  ready.set_value(std::move(loaded));
  if (!loop) return;
  ended = loop->run();
  if (!ended) ::kill(::getpid(), SIGTERM);  // the main thread drains what is left: nothing
}

Result<server::ServerOptions> optionsOf(const Flags& flags) {
  server::ServerOptions options;
  options.apiKeys = flags.apiKeys;
  options.version = LLMC_VERSION;
  options.openMetrics = flags.openMetrics;
  if (!flags.apiKeyFile.empty()) {
    std::ifstream file(flags.apiKeyFile);
    if (!file)
      return Status::error(ErrorKind::kMissing, "CLI_FLAG", "cannot read the keys in " + escaped(flags.apiKeyFile));
    for (std::string line; std::getline(file, line);)
      if (!line.empty()) options.apiKeys.push_back(line);
  }
  if (flags.logFormat != "text" && flags.logFormat != "json")
    return Status::error(ErrorKind::kUsage, "CLI_FLAG", "--log-format must be text or json");
  if (flags.metricsPrefix != "vllm" && flags.metricsPrefix != "llmc")
    return Status::error(ErrorKind::kUsage, "CLI_FLAG", "--metrics-prefix must be vllm or llmc");
  options.metrics = {flags.metricsPrefix, flags.oldMetricNames};
  options.logFormat = flags.logFormat == "json" ? server::LogFormat::kJson : server::LogFormat::kText;
  if (flags.accessLog == "-")
    options.accessLog = stderr;
  else if (!flags.accessLog.empty() && !(options.accessLog = std::fopen(flags.accessLog.c_str(), "ae")))
    return Status::error(ErrorKind::kIo, "CLI_OUTPUT", "cannot write " + escaped(flags.accessLog));
  return options;
}

/// Waits for a signal, then lets running answers end; a second signal ends at once.
void serveUntilSignal(server::Server& server, const sigset_t& signals, double drainSeconds) {
  int signal = 0;
  sigwait(&signals, &signal);
  writeNotice("draining: " + std::to_string(server.load()) + " requests are being answered");
  server.drain();
  const timespec tick{0, 20'000'000};
  for (double waited = 0; waited < drainSeconds && server.load() > 0; waited += 0.02)
    if (sigtimedwait(&signals, nullptr, &tick) > 0) break;
  server.stop();
}

}  // namespace

Status runServe(const Flags& flags) {
  // Blocked before any thread exists, so that only sigwait takes them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto options = optionsOf(flags);
  LLMC_TRY(options.status());
  auto listener = server::Listener::open(flags.host, static_cast<uint16_t>(flags.port));
  LLMC_TRY(listener.status());
  std::promise<Result<Loaded>> promise;
  auto future = promise.get_future();
  Status ended = Status::ok();
  std::thread engine(engineThread, std::cref(flags), std::move(promise), std::ref(ended));
  auto loaded = future.get();
  if (!loaded) {
    engine.join();
    return loaded.takeStatus();
  }
  writeNotice(loaded->summary);
  auto server = server::Server::create(options.take(), listener.take(), *loaded->loop,
                                       {*loaded->tokenizer, std::move(loaded->chatTemplate)});
  if (server) {
    char line[160];
    std::snprintf(line, sizeof line, "ready on http://%s:%d/v1 after %.2f s", flags.host.c_str(), (*server)->port(),
                  millisecondsSinceStart() / 1e3);
    writeNotice(line);
    serveUntilSignal(**server, signals, flags.drainSeconds);
  }
  loaded->loop->stop();
  engine.join();
  LLMC_TRY(server.status());
  return ended;
}

}  // namespace llmc::rt
