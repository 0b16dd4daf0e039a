// Dispatch to the modes and the one place where errors reach the terminal.
#include "runtime/main/run.h"

#include <cstdio>
#include <string>

#include "runtime/base/standard_streams.h"
#include "runtime/main/flags.h"
#include "runtime/main/help.h"
#include "runtime/main/modes.h"
#include "runtime/main/output.h"

namespace llmc::rt {
namespace {

Status runMode(const Flags& flags) {
  switch (flags.mode) {
    case Mode::kHelp:
      return writeOutput(helpText());
    case Mode::kVersion:
      return writeOutput("llmc-run " LLMC_VERSION "\n");
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
    case Mode::kTokenize:
      return runTokenize(flags);
  }
  return Status::ok();
}

}  // namespace

int runMain(int argc, const char* const* argv) {
  secureStandardStreams();
  auto flags = parseFlags(argc, argv);
  const Status status = flags ? runMode(*flags) : flags.takeStatus();
  if (status) return 0;
  std::fprintf(stderr, "%s\n", status.toString().c_str());
  return exitStatus(status.kind());
}

}  // namespace llmc::rt
