// Dispatch to the modes and the one place where errors reach the terminal.
#include "runtime/main/run.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "runtime/base/shortage.h"
#include "runtime/base/standard_streams.h"
#include "runtime/device/cpu_features.h"
#include "runtime/main/error_context.h"
#include "runtime/main/flags.h"
#include "runtime/main/help.h"
#include "runtime/main/modes.h"
#include "runtime/main/output.h"

namespace llmc::rt {
namespace {

Status runMode(const Flags& flags) {
  if (flags.mode != Mode::kHelp && flags.mode != Mode::kVersion) LLMC_TRY(checkCpuEnvironment());
  switch (flags.mode) {
    case Mode::kHelp:
      return writeOutput(helpText());
    case Mode::kVersion:
      return writeOutput("llmc-run " LLMC_VERSION "\n");
    case Mode::kServe:
      return runServe(flags);
    case Mode::kGenerate:
      return flags.dumpLogits.empty() ? runGenerate(flags) : runDumpLogits(flags);
    case Mode::kChat:
      return runChat(flags);
    case Mode::kPerplexity:
      return runPerplexity(flags);
    case Mode::kBench:
      return runBench(flags);
    case Mode::kCheck:
      return runCheck(flags);
    case Mode::kSelftest:
      return runSelftest(flags);
    case Mode::kSimulate:
      return runSimulate(flags);
    case Mode::kTokenize:
      return runTokenize(flags);
  }
  return Status::ok();
}

/// Weights are mapped from the file: when someone cuts it short, or the disk fails, reading them is a signal.
void explainLostFile() {
  struct sigaction action = {};
  action.sa_handler = [](int) {
    static std::atomic_flag said;
    while (said.test_and_set()) ::pause();  // several workers meet the same hole; one speaks and ends all
    constexpr char kText[] =
        "error[EN_IO] the engine file was cut short or could not be read while it ran; build or copy it again\n";
    (void)!::write(STDERR_FILENO, kText, sizeof kText - 1);
    ::_exit(exitStatus(ErrorKind::kIo));
  };
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

int runMain(int argc, const char* const* argv) {
  secureStandardStreams();
  explainShortages();
  explainLostFile();
  ErrorContext context;
  auto flags = parseFlags(argc, argv, &context);
  if (context.json) writeNoticesAsJson();
  if (flags && flags->mode != Mode::kHelp && flags->mode != Mode::kVersion)
    for (const std::string& notice : flags->notices) writeNotice(notice);
  const Status status = flags ? runMode(*flags) : flags.takeStatus();
  if (status) return 0;
  if (status.code() == "CLI_READER") return 128 + SIGPIPE;  // as a shell says it of a program that SIGPIPE ended
  writeError(placed(status, context));
  return exitStatus(status.kind());
}

}  // namespace llmc::rt
