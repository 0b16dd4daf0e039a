// The llmc program: picks a subcommand.
#include "compiler/pipeline/FatalErrors.h"
#include "compiler/tools/BuildCommand.h"
#include "compiler/tools/CommandLine.h"
#include "compiler/tools/InspectCommand.h"
#include "compiler/tools/TuneCommand.h"
#include "runtime/base/standard_streams.h"
#include "runtime/device/cpu_features.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <cstdio>
#include <string>

namespace llmc {

std::string buildHelp();

static const char kUsage[] =
    "llmc: compiles language models ahead of time into one engine file\n"
    "\n"
    "  llmc build MODEL -o engine.bin   compile a Hugging Face folder, a .safetensors or a .gguf\n"
    "  llmc inspect engine.bin          what is in an engine: model, sections, weights, memory formula\n"
    "  llmc explain engine.bin          for each kernel: where it came from, what was fused, what was not and why\n"
    "  llmc tune engine.bin -o FILE     measure configurations of its products on this machine, for llmc build "
    "--tuning\n"
    "  llmc help COMMAND                every flag with its default and unit\n"
    "  llmc --version\n"
    "\n"
    "Run an engine with llmc-run.\n";

static int help(const std::string &command) {
  if (command == "build")
    std::fputs(buildHelp().c_str(), stdout);
  else if (command == "inspect" || command == "explain")
    std::fputs(inspectHelp(command).c_str(), stdout);
  else if (command == "tune")
    std::fputs(tuneHelp().c_str(), stdout);
  else if (command.empty())
    std::fputs(kUsage, stdout);
  else
    return report(usageError("unknown command '" + rt::escaped(command) + "'", "llmc --help"));
  return 0;
}

static int run(int argc, char **argv) {
  std::string command = argc > 1 ? argv[1] : "";
  if (command.empty()) {
    std::fputs(kUsage, stderr);
    return rt::exitStatus(rt::ErrorKind::kUsage);
  }
  if (command == "--version") {
    std::printf("llmc %s\n", LLMC_VERSION);
    return 0;
  }
  if (command == "--help" || command == "-h" || command == "help")
    return help(argc > 2 ? argv[2] : "");
  if (command == "build" || command == "tune")
    if (rt::Status status = rt::checkCpuEnvironment(); !status)
      return report(status);
  if (command == "build")
    return runBuild(argc - 1, argv + 1);
  if (command == "inspect" || command == "explain")
    return runInspect(argc - 1, argv + 1);
  if (command == "tune")
    return runTune(argc - 1, argv + 1);
  return report(usageError("unknown command '" + rt::escaped(command) + "'", "llmc --help"));
}

/// LLVM's streams end the process by themselves when an error is left on them, so it is taken off and told here.
static int closeStreams(int status) {
  errno = 0;
  bool lost = std::fflush(stdout) != 0 || std::ferror(stdout);
  int error = errno;
  llvm::outs().flush();
  if (llvm::outs().has_error()) {
    lost = true;
    error = llvm::outs().error().value();
  }
  llvm::outs().clear_error();
  llvm::errs().clear_error();
  if (!lost || status != 0)
    return status;
  return report(stdoutError(error ? error : EIO));
}

} // namespace llmc

int main(int argc, char **argv) {
  llmc::rt::secureStandardStreams();
  llmc::explainFatalErrors();
  return llmc::closeStreams(llmc::run(argc, argv));
}
