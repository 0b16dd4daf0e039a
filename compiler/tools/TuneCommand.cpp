// Flags of `llmc tune`, its progress and the file it writes.
#include "compiler/tools/TuneCommand.h"

#include "codegen/cpu/Level.h"
#include "compiler/pipeline/BuildEngine.h"
#include "compiler/pipeline/BuildOutputs.h"
#include "compiler/tools/CommandLine.h"
#include "compiler/tools/InspectCommand.h"
#include "compiler/tools/TuneDeviceCommand.h"
#include "compiler/tune/TuneProducts.h"
#include "runtime/base/limits.h"
#include "runtime/device/cpu_features.h"
#include "runtime/format/cuda_check.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <cxxopts.hpp>
#include <thread>

namespace llmc {

static cxxopts::Options tuneFlags() {
  cxxopts::Options flags(
      "llmc tune", "Measures the configurations that each matrix product (on a CUDA device each attention, too) of "
                   "an engine can have, on this machine at its best level or on a device, with weights and keys "
                   "that no cache holds.");
  flags.add_options()("o,output", "file to write for llmc build --tuning, -: stdout (required)",
                      cxxopts::value<std::string>(), "FILE")("threads", "threads that compute; 0: one a physical core",
                                                             cxxopts::value<std::string>()->default_value("0"), "N")(
      "sample-ms", "milliseconds of a sample; more: slower, less noise",
      cxxopts::value<std::string>()->default_value("3"),
      "N")("only", "kernels with TEXT in their name, as 4096x4096 or attend; or one class, as \"960x576,q4m16k64,1 8\"",
           cxxopts::value<std::string>()->default_value(""), "TEXT")(
      "device", "cpu or cuda:N (default: what the engine is for; of both, cpu)", cxxopts::value<std::string>(),
      "NAME")("candidates", "CUDA: configurations of each class, the model's best; 0: all",
              cxxopts::value<std::string>()->default_value("16"),
              "N")("sequences", "CUDA: sequences that attention is measured with, as far as memory reaches",
                   cxxopts::value<std::string>()->default_value("32"),
                   "N")("context", "CUDA: tokens of each of them", cxxopts::value<std::string>()->default_value("4096"),
                        "N")("dump-dir", "CUDA: folder for text, PTX and cubin of each configuration",
                             cxxopts::value<std::string>(), "DIR")("quiet", "print nothing but errors")(
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
  std::string only, device;
  TuneOptions options;
  DeviceTuneRequest onDevice;
  bool forCuda = false; ///< a flag was given that only a CUDA device reads
  bool quiet = false;

  bool cuda() const { return llvm::StringRef(device).starts_with("cuda"); }
};

/// --device, and what only a CUDA device reads.
rt::Status readDeviceFlags(const cxxopts::ParseResult &parsed, TuneRequest &request) {
  if (parsed.count("device"))
    request.device = parsed["device"].as<std::string>();
  const llvm::StringRef device = request.device;
  if (device.starts_with("cuda:")) {
    auto ordinal = parseNumber("device", device.drop_front(5).str(), 0, 1023);
    if (!ordinal)
      return ordinal.takeStatus();
    request.onDevice.ordinal = static_cast<int>(*ordinal);
  } else if (!device.empty() && device != "cpu" && device != "cuda") {
    return usageError("--device does not know '" + rt::escaped(request.device, 40) + "'", "expected cpu or cuda:N");
  }
  auto candidates = parseNumber("candidates", parsed["candidates"].as<std::string>(), 0, 100'000);
  if (!candidates)
    return candidates.takeStatus();
  request.onDevice.options.candidates = static_cast<size_t>(*candidates);
  auto sequences = parseNumber("sequences", parsed["sequences"].as<std::string>(), 1, rt::limits::kSequences);
  if (!sequences)
    return sequences.takeStatus();
  auto context = parseNumber("context", parsed["context"].as<std::string>(), 1, 1 << 20);
  if (!context)
    return context.takeStatus();
  request.onDevice.load = {*sequences, *context};
  if (parsed.count("dump-dir"))
    request.onDevice.dumpDir = parsed["dump-dir"].as<std::string>();
  for (const char *flag : {"candidates", "sequences", "context", "dump-dir"})
    request.forCuda = request.forCuda || parsed.count(flag) > 0;
  return rt::Status::ok();
}

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
  request.only = parsed["only"].as<std::string>();
  LLMC_TRY(readDeviceFlags(parsed, request));
  DeviceTuneOptions &onDevice = request.onDevice.options;
  onDevice.sampleSeconds = request.options.sampleSeconds;
  onDevice.threads =
      request.threads > 0 ? static_cast<unsigned>(request.threads) : std::max(1u, std::thread::hardware_concurrency());
  request.onDevice.only = request.only;
  request.quiet = parsed.count("quiet") > 0;
  return request;
}

/// The level that llmc-run would use.
rt::Result<const Level *> levelOf(const fb::Engine &plan) {
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

/// Configurations of the CPU's kernels.
rt::Status tuneCpu(const rt::EngineFile &engine, const TuneRequest &request, const TuneSink &sink) {
  auto level = levelOf(engine.plan());
  if (!level)
    return level.takeStatus();
  auto pool = rt::WorkerPool::create({.threads = request.threads});
  if (!pool)
    return pool.takeStatus();
  sink.machine(rt::cpuBrand() + ", " + std::to_string((*pool)->workers()) + " workers");
  for (const TunableProduct &product : productsOf(engine.plan()))
    for (int64_t mMax : product.classes) {
      if (!isWanted(productKey(product.shape), mMax, request.only))
        continue;
      MatmulShape shape = product.shape;
      shape.mMax = mMax;
      auto found = tuneProduct(**level, shape, **pool, request.options);
      if (!found)
        return found.takeStatus();
      sink.line(describeFound(**level, *found), !found->numbers.empty());
    }
  return rt::Status::ok();
}

/// The engine with the plan in use that `device` asks for.
rt::Result<rt::EngineFile> openFor(const TuneRequest &request) {
  rt::OpenOptions options;
  options.verify = rt::Verify::kLazy;
  options.choose = [&](std::span<const fb::Engine *const> plans) {
    for (uint32_t i = 0; i < plans.size(); ++i)
      if (rt::isCuda(*plans[i]) == request.cuda())
        return i;
    return uint32_t{0};
  };
  auto engine = rt::EngineFile::open(request.engine, options);
  if (!engine)
    return engine.takeStatus();
  const bool cuda = rt::isCuda(engine->plan());
  if (!request.device.empty() && cuda != request.cuda())
    return rt::Status::error(rt::ErrorKind::kMismatch, "TUNE_TARGET",
                             "--device " + request.device + ": the engine holds code for " +
                                 (cuda ? "CUDA devices" : "CPUs") + " alone",
                             "leave --device out");
  if (!cuda && request.forCuda)
    return usageError("--candidates, --sequences, --context and --dump-dir are for CUDA devices",
                      "leave them out, or say --device cuda:0");
  return engine;
}

rt::Status tune(const TuneRequest &request) {
  auto engine = openFor(request);
  if (!engine)
    return engine.takeStatus();
  LateFile output;
  if (request.output != "-") { // a path that cannot be written is told before the work
    LLMC_TRY(checkReplaces("-o", request.output, TuningDatabase::kHeader.str()));
    LLMC_TRY(output.open(request.output));
  }
  std::string text;
  size_t faster = 0, all = 0;
  TuneSink sink;
  sink.machine = [&](const std::string &name) {
    text = "# llmc " LLMC_VERSION " tune on " + name + "\n" + TuningDatabase::kHeader.str() + "\n";
  };
  sink.line = [&](const std::string &line, bool found) {
    text += line + "\n";
    if (!request.quiet)
      llvm::errs() << line << "\n";
    faster += found;
    ++all;
  };
  LLMC_TRY(rt::isCuda(engine->plan()) ? tuneDevice(*engine, request.onDevice, sink) : tuneCpu(*engine, request, sink));
  if (all == 0)
    return usageError(
        "no product of the engine" +
            (request.only.empty() ? "" : " has '" + rt::escaped(request.only, 80) + "' in its name, or no such class"),
        request.only.empty() ? "there is nothing to tune" : "llmc explain names them as linear_ROWSxCOLUMNS");
  if (!request.quiet)
    llvm::errs() << faster << " of " << all << " are faster than the built-in choice by "
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
