// Flags of `llmc build` and the summary it ends with.
#include "compiler/tools/BuildCommand.h"

#include "codegen/cpu/Level.h"
#include "codegen/cuda/TuningRecords.h"
#include "codegen/registry/TuningDatabase.h"
#include "compiler/pipeline/BuildEngine.h"
#include "compiler/tools/CommandLine.h"
#include "compiler/tools/TargetFlag.h"
#include "passes/Passes.h"
#include "runtime/base/counted.h"
#include "runtime/device/cpu_features.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <cxxopts.hpp>
#include <thread>

namespace llmc {

static cxxopts::Options buildFlags() {
  cxxopts::Options flags("llmc build",
                         "Compiles MODEL (a Hugging Face folder, a .safetensors or a .gguf) into one engine file.");
  flags.add_options()("o,output", "engine file to write (required, but with --stop-after)",
                      cxxopts::value<std::string>(), "FILE")(
      "target",
      "machine to compile for: cpu; cuda:LIST, NVIDIA devices of sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_120a (needs "
      "NVRTC, no GPU); cpu,cuda:LIST: both in one file, which has the weights twice; auto: this machine's CUDA device, "
      "or its CPU",
      cxxopts::value<std::string>()->default_value("cpu"),
      "NAME")("quant", "weight storage: native (as in the file), w16, w8, w4; cuda: fp8",
              cxxopts::value<std::string>()->default_value("native"),
              "SCHEME")("group-size", "columns that share a scale under --quant w4: 32 or 128",
                        cxxopts::value<std::string>()->default_value("32"),
                        "N")("kv-cache",
                             "what keys and values are stored as: auto (f16; f32 with --activations f32), f16, int8; "
                             "cpu: f32; cuda: bf16, fp8",
                             cxxopts::value<std::string>()->default_value("auto"), "TYPE")(
      "activations",
      "inputs of products: auto (int8 where weights are integers; prompts' bf16 where weights are bf16 and the CPU "
      "multiplies bf16; cuda: bf16), int8, f32, bf16",
      cxxopts::value<std::string>()->default_value("auto"),
      "KIND")("cpu-levels", "instruction sets: all, host, or a list of names",
              cxxopts::value<std::string>()->default_value("all"),
              "LIST")("tuning", "configurations of products that llmc tune measured (default: the built-in table)",
                      cxxopts::value<std::string>()->default_value(""),
                      "FILE")("jobs", "threads; 0: one a core", cxxopts::value<std::string>()->default_value("0"),
                              "N")("print-ir-before", "print the IR before a pass, or before all (default: none)",
                                   cxxopts::value<std::string>()->default_value(""),
                                   "PASS")("print-ir-after", "print the IR after a pass, or after all (default: none)",
                                           cxxopts::value<std::string>()->default_value(""), "PASS")(
      "dump-dir",
      "folder for printed IR and for each kernel's text (.mlir, .ll, .s; cuda: .mlir, .cu, .ptx, .cubin), of two "
      "targets cpu and cuda in it; with --stop-after for the IR there; a build that fails keeps them, an interrupted "
      "one takes them along (default: "
      "printed IR goes to stderr, the texts nowhere)",
      cxxopts::value<std::string>()->default_value(""),
      "DIR")("stop-after", "import, graph, kernels or plan: stop there, write no engine (default: go on to the engine)",
             cxxopts::value<std::string>()->default_value(""), "PHASE")(
      "remarks", "write what was fused and what was not, and why, to a file, or to stderr with - (default: none)",
      cxxopts::value<std::string>()->default_value(""),
      "FILE")("quality",
              "measure a quantized build against the unquantized model (KL divergence on a "
              "built-in text): on, off or auto: not "
              "above 1.5e9 parameters",
              cxxopts::value<std::string>()->default_value("auto"),
              "MODE")("selftest-tokens",
                      "golden tokens to store for llmc-run --selftest; 0: none; auto: 16, none above 1.5e9 parameters",
                      cxxopts::value<std::string>()->default_value("auto"), "N")(
      "no-weights",
      "cuda: an engine with room for its weights and none in it, a hole in the file; llmc-run --bench --random-weights "
      "measures it (default: with weights)")(
      "force", "replace an output that is not an llmc engine; remove an earlier build's files from --dump-dir")(
      "quiet", "print nothing but errors")("verbose",
                                           "say which pass ran and how long it took, and where packing spent its time")(
      "h,help", "show this text")("model", "", cxxopts::value<std::vector<std::string>>());
  flags.parse_positional({"model"});
  return flags;
}

std::string buildHelp() { return helpText(buildFlags(), "model", "MODEL -o FILE [FLAG]..."); }

static rt::Result<std::vector<std::string>> parseLevels(const std::string &text) {
  std::vector<std::string> names;
  if (text == "all") {
    for (const Level &level : cpuLevels())
      names.push_back(level.name.str());
    return names;
  }
  rt::CpuFeatures features = rt::detectCpuFeatures();
  if (text == "host") {
    for (const Level &level : cpuLevels())
      if (rt::supportsLevel(level.name.str(), features))
        names = {level.name.str()}; // the last one supported is the best
    if (names.empty())
      return usageError("this CPU has none of the levels (it lacks AVX2)",
                        "name levels with --cpu-levels to build for another machine");
    return names;
  }
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(text).split(parts, ',', -1, false);
  for (const Level &level : cpuLevels()) // in our order, whatever the user's
    if (llvm::is_contained(parts, level.name))
      names.push_back(level.name.str());
  for (llvm::StringRef part : parts)
    if (!findLevel(part)) {
      std::string known;
      for (const Level &level : cpuLevels())
        known += (known.empty() ? "" : ", ") + level.name.str();
      return usageError("unknown CPU level '" + part.str() + "'", "known levels: " + known);
    }
  if (names.empty())
    return usageError("no CPU level given", "use all, host or a list of names");
  return names;
}

static rt::Result<Phase> parsePhase(const std::string &text) {
  if (text.empty())
    return Phase::Engine;
  const std::pair<const char *, Phase> phases[] = {
      {"import", Phase::Import}, {"graph", Phase::Graph}, {"kernels", Phase::Kernels}, {"plan", Phase::Plan}};
  for (auto [name, phase] : phases)
    if (text == name)
      return phase;
  return usageError("unknown phase '" + text + "' for --stop-after", "expected import, graph, kernels or plan");
}

/// `value` is one of `choices`, or a usage error that lists them.
static rt::Status oneOf(const char *flag, const std::string &value, llvm::ArrayRef<std::string> choices) {
  if (llvm::is_contained(choices, value))
    return rt::Status::ok();
  return usageError("--" + std::string(flag) + " does not know '" + value + "'",
                    "expected " + llvm::join(choices, ", "));
}

static rt::Status parsePasses(const cxxopts::ParseResult &parsed, PassOptions &passes) {
  passes.scheme = parsed["quant"].as<std::string>();
  passes.activations = parsed["activations"].as<std::string>();
  passes.printBefore = parsed["print-ir-before"].as<std::string>();
  passes.printAfter = parsed["print-ir-after"].as<std::string>();
  passes.dumpDir = parsed["dump-dir"].as<std::string>();
  passes.tuning = parsed["tuning"].as<std::string>();
  if (!passes.tuning.empty()) {
    auto readable = TuningDatabase::read(passes.tuning); // before the work
    if (!readable)
      return readable.takeStatus();
    LLMC_TRY(checkCudaRecords(*readable, passes.tuning));
  }
  LLMC_TRY(oneOf("quant", passes.scheme, {"native", "w16", "w8", "w4", "fp8"}));
  const std::string group = parsed["group-size"].as<std::string>();
  LLMC_TRY(oneOf("group-size", group, {"32", "128"}));
  if (parsed.count("group-size") && passes.scheme != "w4")
    return usageError("--group-size is for --quant w4, found --quant " + passes.scheme, "leave it out");
  passes.groupSize = group == "128" ? 128 : 32;
  LLMC_TRY(oneOf("activations", passes.activations, {"auto", "int8", "f32", "bf16"}));
  passes.kvCache = parsed["kv-cache"].as<std::string>();
  LLMC_TRY(oneOf("kv-cache", passes.kvCache, {"auto", "f32", "f16", "bf16", "int8", "fp8"}));
  std::vector<std::string> known = passFlags();
  known.insert(known.begin(), "all");
  known.push_back("");
  LLMC_TRY(oneOf("print-ir-before", passes.printBefore, known));
  return oneOf("print-ir-after", passes.printAfter, known);
}

/// What CPUs lack; `options` has them as a target.
static rt::Status checkForCpu(const cxxopts::ParseResult &parsed, const BuildOptions &options) {
  if (options.passes.scheme == "fp8")
    return usageError("--quant fp8 is for --target cuda: no CPU multiplies 8-bit floats",
                      "expected native, w16, w8 or w4");
  if (const std::string &cache = options.passes.kvCache; cache == "bf16" || cache == "fp8")
    return usageError("--kv-cache " + cache +
                          " is for --target cuda: the CPU keeps keys and values as f32, f16 or int8",
                      "expected auto, f32, f16 or int8");
  if (parsed.count("no-weights"))
    return usageError("--no-weights is for --target cuda, whose weights --bench can make up on the device",
                      "leave it out");
  return rt::Status::ok();
}

/// What CUDA devices lack, and what is of the CPU alone where that is no target.
static rt::Status checkForCuda(const cxxopts::ParseResult &parsed, const BuildOptions &options) {
  const std::string &activations = options.passes.activations;
  if (options.passes.scheme == "fp8" && activations == "bf16")
    return usageError("--activations bf16 does not go with --quant fp8, whose products read 8-bit floats",
                      "leave it out");
  if (activations == "int8" || activations == "f32")
    return usageError("--activations " + activations + " is for --target cpu: tensor cores multiply bf16",
                      "expected auto or bf16");
  if (options.passes.kvCache == "f32")
    return usageError("--kv-cache f32 is for --target cpu: tensor cores multiply keys and values as f16",
                      "expected auto, f16, bf16, int8 or fp8");
  if (options.bothTargets)
    return rt::Status::ok();
  if (parsed.count("cpu-levels"))
    return usageError("--cpu-levels is for --target cpu", "leave it out");
  return options.selftestTokens.value_or(0) == 0
             ? rt::Status::ok()
             : usageError("--selftest-tokens is for --target cpu, whose kernels this machine can run", "leave it out");
}

static rt::Status checkForTarget(const cxxopts::ParseResult &parsed, const BuildOptions &options) {
  if (options.noWeights && options.quality.value_or(false))
    return usageError("--quality on does not go with --no-weights: there is nothing to measure", "leave one out");
  if (options.bothTargets || options.cudaArchs.empty())
    LLMC_TRY(checkForCpu(parsed, options));
  if (!options.cudaArchs.empty())
    LLMC_TRY(checkForCuda(parsed, options));
  const bool cuda = !options.cudaArchs.empty();
  if (const std::string other = loweringFlag(!cuda);
      !options.bothTargets && (options.passes.printBefore == other || options.passes.printAfter == other))
    return usageError(other + " is a pass of --target " + (cuda ? "cpu" : "cuda") + " alone",
                      std::string("expected ") + loweringFlag(cuda));
  for (const char *flag : {"print-ir-before", "print-ir-after", "stop-after"})
    if (options.bothTargets && options.passes.dumpDir.empty() && parsed.count(flag))
      return usageError("--" + std::string(flag) + " shows the IR of one target, found two",
                        "--dump-dir DIR has a folder for each; or give --target cpu, and then --target cuda:LIST");
  return rt::Status::ok();
}

static rt::Result<BuildOptions> parseOptions(const cxxopts::ParseResult &parsed) {
  BuildOptions options;
  auto models = parsed.count("model") ? parsed["model"].as<std::vector<std::string>>() : std::vector<std::string>();
  if (models.size() != 1)
    return usageError("expected one MODEL, found " + std::to_string(models.size()), "llmc help build");
  options.model = models[0];
  auto phase = parsePhase(parsed["stop-after"].as<std::string>());
  if (!phase)
    return phase.takeStatus();
  options.stopAfter = *phase;
  if (parsed.count("output"))
    options.output = parsed["output"].as<std::string>();
  else if (options.stopAfter == Phase::Engine)
    return usageError("expected -o FILE, found none", "llmc build MODEL -o engine.bin");
  if (options.output == "-")
    return usageError("-o - is no file: an engine is written to a place of its own, not to stdout",
                      "-o engine.bin, or -o ./- for a file of that name");
  auto targets = parseTarget(parsed["target"].as<std::string>());
  if (!targets)
    return targets.takeStatus();
  options.cudaArchs = targets->archs;
  if (!targets->notice.empty())
    llvm::errs() << "notice: " << targets->notice << "\n";
  options.bothTargets = targets->cpu && !targets->archs.empty();
  auto levels = parseLevels(parsed["cpu-levels"].as<std::string>());
  if (!levels)
    return levels.takeStatus();
  options.levels = levels.take();
  auto jobs = parseNumber("jobs", parsed["jobs"].as<std::string>(), 0, 1024);
  if (!jobs)
    return jobs.takeStatus();
  options.jobs = *jobs > 0 ? static_cast<unsigned>(*jobs) : std::max(1u, std::thread::hardware_concurrency());
  LLMC_TRY(parsePasses(parsed, options.passes));
  options.remarks = parsed["remarks"].as<std::string>();
  std::string quality = parsed["quality"].as<std::string>();
  LLMC_TRY(oneOf("quality", quality, {"auto", "on", "off"}));
  if (quality != "auto")
    options.quality = quality == "on";
  if (std::string tokens = parsed["selftest-tokens"].as<std::string>(); tokens != "auto") {
    auto number = parseNumber("selftest-tokens", tokens, 0, 1024);
    if (!number)
      return number.takeStatus();
    options.selftestTokens = static_cast<uint32_t>(*number);
  }
  options.noWeights = parsed.count("no-weights") > 0;
  LLMC_TRY(checkForTarget(parsed, options));
  if (parsed.count("quiet") && parsed.count("verbose"))
    return usageError("--quiet and --verbose exclude each other", "leave one out");
  options.force = parsed.count("force") > 0;
  options.quiet = parsed.count("quiet") > 0;
  options.verbose = options.passes.verbose = parsed.count("verbose") > 0;
  return options;
}

static std::string mib(uint64_t bytes) { return llvm::formatv("{0:f1} MiB", bytes / 1048576.0).str(); }

/// "weights 90.1 MiB, code 2.0 MiB at 5 levels". Code for GPUs is packed in the file, to about a tenth.
static std::string sizesOf(const TargetSummary &target) {
  return "weights " + mib(target.weightBytes) + ", code " + mib(target.codeBytes) +
         (target.archs.empty() ? "" : " unpacked") + " at " + rt::counted(target.levels, "level", "levels") +
         (target.archs.empty() ? "" : ": cuda " + llvm::join(target.archs, ", ") + ", PTX");
}

static std::string packingText(const PackSeconds &seconds) {
  return llvm::formatv(
             "  packing, seconds of all threads: reading {0:f2}, widening {1:f2}, packing {2:f2}, idle {3:f2}; "
             "of the writer: writing {4:f2}, digests {5:f2}\n",
             seconds.reading, seconds.widening, seconds.packing, seconds.idle, seconds.writing, seconds.digesting)
      .str();
}

static void printLines(const std::string &lines) {
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(lines).split(parts, '\n', -1, false);
  for (llvm::StringRef line : parts)
    llvm::errs() << "  " << line << "\n";
}

static void printSummary(const BuildOptions &options, const BuildSummary &summary) {
  const bool one = summary.targets.size() == 1;
  llvm::errs() << options.output << ": " << mib(summary.fileBytes)
               << (one ? " (" + sizesOf(summary.targets[0]) + ")" : ", for the CPU and for CUDA devices") << "\n"
               << llvm::formatv("  {0:f2} s, of it code generation {1:f2} s; peak memory {2}\n", summary.seconds,
                                summary.codegenSeconds, mib(summary.peakBytes));
  for (const TargetSummary &target : summary.targets) {
    if (!one)
      llvm::errs() << (target.archs.empty() ? "cpu: " : "cuda: ") << sizesOf(target) << "\n";
    llvm::errs() << (options.verbose ? packingText(target.packing) : "") << "  "
                 << rt::counted(target.kernels, "kernel", "kernels") << " in "
                 << rt::counted(target.variants, "variant", "variants") << "\n"
                 << "  KV cache: " << target.kvBytesPerToken << " bytes a token\n"
                 << "  workspace bytes: " << target.memoryFormula << "\n"
                 << "    T: tokens of a step; S: rows of logits of a step; workers: threads that compute\n";
    if (target.archs.empty() || one)
      printLines(summary.selftest);
    printLines(target.quality);
  }
}

int runBuild(int argc, char **argv) {
  cxxopts::Options flags = buildFlags();
  auto parsed = parseCommandLine(flags, "model", argc, argv);
  if (!parsed)
    return report(parsed.takeStatus());
  if (parsed->count("help")) {
    llvm::outs() << buildHelp();
    return 0;
  }
  auto options = parseOptions(*parsed);
  if (!options)
    return report(options.takeStatus());
  installBuildSignalHandlers();
  auto summary = buildEngine(*options);
  if (!summary)
    return report(summary.takeStatus());
  if (!options->quiet && options->stopAfter == Phase::Engine)
    printSummary(*options, *summary);
  else if (!options->quiet && options->passes.dumpDir.empty() && options->passes.printAfter.empty())
    llvm::errs() << "stopped as asked; nothing was written: --dump-dir DIR takes the IR that is there now\n";
  return 0;
}

} // namespace llmc
