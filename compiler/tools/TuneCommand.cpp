// Flags of `llmc tune`, its progress and the file it writes.
#include "compiler/tools/TuneCommand.h"

#include "codegen/cpu/Level.h"
#include "compiler/pipeline/BuildEngine.h"
#include "compiler/pipeline/BuildOutputs.h"
#include "compiler/tools/CommandLine.h"
#include "compiler/tools/InspectCommand.h"
#include "compiler/tune/TuneProducts.h"
#include "runtime/base/limits.h"
#include "runtime/device/cpu_features.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <cxxopts.hpp>

namespace llmc {

static cxxopts::Options tuneFlags() {
  cxxopts::Options flags("llmc tune",
                         "Measures the configurations that each matrix product of a CPU engine can have, on this "
                         "machine and at its best level, with weights that no cache holds.");
  flags.add_options()("o,output", "file to write for llmc build --tuning, -: stdout (required)",
                      cxxopts::value<std::string>(), "FILE")("threads", "threads that compute; 0: one a physical core",
                                                             cxxopts::value<std::string>()->default_value("0"), "N")(
      "sample-ms", "milliseconds of a sample; more: slower, less noise",
      cxxopts::value<std::string>()->default_value("3"), "N")("quiet", "print nothing but errors")(
      "h,help", "show this text")("engine", "", cxxopts::value<std::vector<std::string>>());
  flags.parse_positional({"engine"});
  return flags;
}

std::string tuneHelp() { return helpText(tuneFlags(), "engine", "engine.bin -o FILE [FLAG]..."); }

namespace {

/// What the flags ask for.
struct TuneRequest {
  std::string engine, output;
  int threads = 0;
  TuneOptions options;
  bool quiet = false;
};

rt::Result<TuneRequest> readRequest(const cxxopts::ParseResult &parsed) {
  TuneRequest request;
  auto engines = parsed.count("engine") ? parsed["engine"].as<std::vector<std::string>>() : std::vector<std::string>();
  if (engines.size() != 1)
    return usageError("expected one engine, found " + std::to_string(engines.size()), "llmc help tune");
  request.engine = engines[0];
  if (!parsed.count("output"))
    return usageError("expected -o FILE, found none", "llmc tune engine.bin -o machine.tuning");
  request.output = parsed["output"].as<std::string>();
  auto threads = parseNumber("threads", parsed["threads"].as<std::string>(), 0, rt::limits::kThreads);
  if (!threads)
    return threads.takeStatus();
  request.threads = static_cast<int>(*threads);
  auto sample = parseNumber("sample-ms", parsed["sample-ms"].as<std::string>(), 1, 10'000);
  if (!sample)
    return sample.takeStatus();
  request.options.sampleSeconds = static_cast<double>(*sample) / 1e3;
  request.quiet = parsed.count("quiet") > 0;
  return request;
}

/// The level that llmc-run would use.
rt::Result<const Level *> levelOf(const fb::Engine &plan) {
  if (plan.target() && plan.target()->string_view() != "cpu")
    return rt::Status::error(rt::ErrorKind::kMismatch, "TUNE_TARGET",
                             "expected an engine for the CPU, found one for " + rt::escaped(plan.target()->str()));
  std::vector<std::string_view> names;
  for (const auto *level : *plan.levels())
    names.push_back(level->name()->string_view());
  auto index = rt::selectLevel(names, rt::detectCpuFeatures(), rt::levelOverride());
  if (!index)
    return index.takeStatus();
  const Level *level = findLevel(llvm::StringRef(names[*index]));
  if (!level)
    return rt::Status::error(rt::ErrorKind::kMismatch, "TUNE_TARGET",
                             "this llmc has no code for level " + rt::escaped(std::string(names[*index])));
  return level;
}

std::string describeFound(const Level &level, const TunedProduct &found) {
  std::string times = llvm::formatv("{0:f1} us", found.seconds * 1e6).str();
  TuningRecord record{"cpu", level.name.str(), "linear", productKey(found.shape), found.shape.mMax, found.numbers};
  if (found.numbers.empty())
    return "# " + record.print() + ": the built-in numbers, " + times + ", " + std::to_string(found.tried) + " tried";
  return record.print() +
         llvm::formatv(" # {0} instead of {1:f1}, {2} tried", times, found.tableSeconds * 1e6, found.tried).str();
}

rt::Status tune(const TuneRequest &request) {
  auto engine = rt::EngineFile::open(request.engine, {.verify = rt::Verify::kLazy});
  if (!engine)
    return engine.takeStatus();
  auto level = levelOf(engine->plan());
  if (!level)
    return level.takeStatus();
  auto pool = rt::WorkerPool::create({.threads = request.threads});
  if (!pool)
    return pool.takeStatus();
  LateFile output;
  if (request.output != "-")
    LLMC_TRY(output.open(request.output)); // a path that cannot be written is told before the work
  std::string text = "# llmc " LLMC_VERSION " tune on " + rt::cpuBrand() + ", " + std::to_string((*pool)->workers()) +
                     " workers\n" + TuningDatabase::kHeader.str() + "\n";
  size_t faster = 0, all = 0;
  for (const TunableProduct &product : productsOf(engine->plan()))
    for (int64_t mMax : product.classes) {
      MatmulShape shape = product.shape;
      shape.mMax = mMax;
      auto found = tuneProduct(**level, shape, **pool, request.options);
      if (!found)
        return found.takeStatus();
      std::string line = describeFound(**level, *found);
      text += line + "\n";
      if (!request.quiet)
        llvm::errs() << line << "\n";
      faster += !found->numbers.empty();
      ++all;
    }
  if (!request.quiet)
    llvm::errs() << faster << " of " << all << " are faster than the built-in table by "
                 << llvm::formatv("{0:f0}% or more\n", request.options.leastGain * 100);
  return output.isOpen() ? output.write(text) : printText(text);
}

} // namespace

int runTune(int argc, char **argv) {
  cxxopts::Options flags = tuneFlags();
  auto parsed = parseCommandLine(flags, "engine", argc, argv);
  if (!parsed)
    return report(parsed.takeStatus());
  if (parsed->count("help")) {
    llvm::outs() << tuneHelp();
    return 0;
  }
  auto request = readRequest(*parsed);
  if (!request)
    return report(request.takeStatus());
  installBuildSignalHandlers(); // an interrupted search leaves no empty file
  rt::Status status = tune(*request);
  return status ? 0 : report(status);
}

} // namespace llmc
