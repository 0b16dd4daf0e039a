// A small table of writers that signal handlers can read.
#include "compiler/pipeline/UnfinishedEngine.h"

#include "compiler/pipeline/BuildEngine.h"
#include "compiler/pipeline/BuildOutputs.h"
#include <array>
#include <atomic>
#include <csignal>
#include <unistd.h>

namespace llmc {

static std::array<std::atomic<EngineWriter *>, 3> writers;

void removeUnfinishedOutputs() {
  for (auto &entry : writers)
    if (EngineWriter *writer = entry.load())
      writer->abort();
  LateFile::removeUnwritten();
  DumpFolder::removeUnfinished();
}

static void onSignal(int signal) {
  removeUnfinishedOutputs();
  _exit(128 + signal);
}

void installBuildSignalHandlers() {
  std::signal(SIGINT, onSignal);
  std::signal(SIGTERM, onSignal);
  std::signal(SIGHUP, onSignal);
}

namespace {

/// Holds the signals of onSignal back while the writer comes or goes, so that none finds a file it does not know of.
class HeldSignals {
public:
  HeldSignals() {
    sigset_t ours;
    sigemptyset(&ours);
    for (int signal : {SIGINT, SIGTERM, SIGHUP})
      sigaddset(&ours, signal);
    pthread_sigmask(SIG_BLOCK, &ours, &before_);
  }
  ~HeldSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
  sigset_t before_;
};

void replaceEntry(EngineWriter *from, EngineWriter *to) {
  for (auto &entry : writers)
    if (EngineWriter *expected = from; entry.compare_exchange_strong(expected, to))
      return;
}

} // namespace

rt::Result<std::unique_ptr<UnfinishedEngine>> UnfinishedEngine::create(const std::string &path, bool force) {
  HeldSignals held;
  auto created = EngineWriter::create(path, {.force = force});
  if (!created)
    return created.takeStatus();
  return std::unique_ptr<UnfinishedEngine>(new UnfinishedEngine(created.take()));
}

UnfinishedEngine::UnfinishedEngine(std::unique_ptr<EngineWriter> writer) : writer_(std::move(writer)) {
  replaceEntry(nullptr, writer_.get());
}

UnfinishedEngine::~UnfinishedEngine() {
  HeldSignals held;
  replaceEntry(writer_.get(), nullptr);
  writer_.reset();
}

} // namespace llmc
