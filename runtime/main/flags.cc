// cxxopts splits the command line; values are checked here, one place for each.
#define CXXOPTS_VECTOR_DELIMITER '\0'  // --stop "a, b" is one string
#include "runtime/main/flags.h"

#include <algorithm>
#include <cxxopts.hpp>

#include "runtime/base/limits.h"
#include "runtime/main/config_file.h"
#include "runtime/main/flag_spellings.h"
#include "runtime/main/help.h"
#include "runtime/main/number_flags.h"

namespace llmc::rt {
namespace {

Status flagError(const char* code, std::string message) {
  return Status::error(ErrorKind::kUsage, code, std::move(message), "llmc-run --help lists all flags");
}

using Parsed = cxxopts::ParseResult;

/// Reads one flag into `out` if it was given.
template <typename T>
Status readInteger(const Parsed& parsed, const char* name, T& out, int64_t low, int64_t high) {
  if (!parsed.count(name)) return Status::ok();
  auto value = parseInteger(std::string("--") + name, parsed[name].as<std::string>(), low, high);
  if (!value) return value.takeStatus();
  if constexpr (requires { out.has_value(); })
    out = static_cast<typename T::value_type>(*value);
  else
    out = static_cast<T>(*value);
  return Status::ok();
}

Status readCount(const Parsed& parsed, const char* name, uint32_t& out, int64_t high) {
  if (!parsed.count(name)) return Status::ok();
  auto value = parseCount(std::string("--") + name, parsed[name].as<std::string>(), 1, high);
  if (!value) return value.takeStatus();
  out = static_cast<uint32_t>(*value);
  return Status::ok();
}

Status readReal(const Parsed& parsed, const char* name, std::optional<double>& out, double low, double high) {
  if (!parsed.count(name)) return Status::ok();
  auto value = parseReal(std::string("--") + name, parsed[name].as<std::string>(), low, high);
  if (!value) return value.takeStatus();
  out = *value;
  return Status::ok();
}

/// `serve`: the word stands first on the line.
Status readMode(const Parsed& parsed, bool serve, Flags& flags) {
  struct Choice {
    const char* name;
    Mode mode;
  };
  static constexpr Choice kChoices[] = {{"prompt", Mode::kGenerate},     {"prompt-file", Mode::kGenerate},
                                        {"prompt-ids", Mode::kGenerate}, {"message", Mode::kGenerate},
                                        {"chat", Mode::kChat},           {"perplexity", Mode::kPerplexity},
                                        {"bench", Mode::kBench},         {"check", Mode::kCheck},
                                        {"selftest", Mode::kSelftest},   {"tokenize", Mode::kTokenize},
                                        {"simulate", Mode::kSimulate}};
  const char* chosen = nullptr;
  for (const auto& [name, mode] : kChoices) {
    if (!parsed.count(name)) continue;
    if (chosen || serve)
      return flagError("CLI_MODE",
                       (chosen ? std::string("--") + chosen : "serve") + " and --" + name + " exclude each other");
    chosen = name;
    flags.mode = mode;
  }
  if (!chosen) flags.mode = Mode::kServe;
  if (!parsed.count("engine")) return flagError("CLI_MODE", "no engine file given");
  flags.engine = parsed["engine"].as<std::string>();
  return Status::ok();
}

Status readTexts(const Parsed& parsed, Flags& flags) {
  const auto text = [&](const char* name) { return parsed[name].as<std::string>(); };
  if (parsed.count("prompt")) flags.prompt = text("prompt");
  if (parsed.count("prompt-file")) flags.promptFile = text("prompt-file");
  if (parsed.count("message")) flags.message = text("message");
  if (parsed.count("system")) flags.system = text("system");
  if (parsed.count("perplexity")) flags.perplexityFile = text("perplexity");
  if (parsed.count("tokenize")) flags.tokenize = text("tokenize");
  if (parsed.count("dump-logits")) flags.dumpLogits = text("dump-logits");
  if (parsed.count("device")) flags.device = text("device");
  flags.graphs = parsed.count("no-graphs") == 0;
  flags.eager = parsed.count("enforce-eager") > 0;
  flags.randomWeights = parsed.count("random-weights") > 0;
  if (parsed.count("host")) flags.host = text("host");
  if (parsed.count("api-key-file")) flags.apiKeyFile = text("api-key-file");
  if (parsed.count("generation-config")) flags.generationConfig = text("generation-config");
  if (parsed.count("override-generation-config")) flags.overrideGenerationConfig = text("override-generation-config");
  if (parsed.count("policy")) flags.policy = text("policy");
  if (parsed.count("preempt")) flags.preempt = text("preempt");
  if (parsed.count("trace")) flags.trace = text("trace");
  if (parsed.count("simulate")) flags.simulate = text("simulate");
  if (parsed.count("step-cost")) flags.stepCost = text("step-cost");
  if (parsed.count("log-format")) flags.logFormat = text("log-format");
  if (parsed.count("access-log")) flags.accessLog = text("access-log");
  if (parsed.count("metrics-prefix")) flags.metricsPrefix = text("metrics-prefix");
  flags.oldMetricNames = parsed.count("old-metric-names") > 0;
  flags.deterministic = parsed.count("deterministic") > 0;
  flags.prefixCache = parsed.count("no-prefix-cache") == 0;
  flags.asyncScheduling = parsed.count("no-async-scheduling") == 0;
  flags.openMetrics = parsed.count("open-metrics") > 0;
  if (parsed.count("api-key")) flags.apiKeys = parsed["api-key"].as<std::vector<std::string>>();
  if (parsed.count("served-model-name")) flags.servedNames = parsed["served-model-name"].as<std::vector<std::string>>();
  if (parsed.count("stop")) flags.stop = parsed["stop"].as<std::vector<std::string>>();
  flags.ignoreEos = parsed.count("ignore-eos") > 0;
  flags.profile = parsed.count("profile") > 0;
  flags.json = parsed.count("json") > 0;
  flags.verifyWeights = parsed.count("no-verify-weights") == 0;
  if (parsed.count("prompt-ids")) {
    auto ids = parseIds("--prompt-ids", text("prompt-ids"));
    if (!ids) return ids.takeStatus();
    flags.promptIds = ids.take();
  }
  if (std::find(flags.servedNames.begin(), flags.servedNames.end(), "") != flags.servedNames.end())
    return flagError("CLI_FLAG", "--served-model-name must not be empty");
  if (flags.system && !flags.message && flags.mode != Mode::kChat)
    return flagError("CLI_FLAG", "--system goes with --message or --chat");
  if (flags.profile && flags.mode != Mode::kBench) return flagError("CLI_FLAG", "--profile goes with --bench");
  if (!flags.dumpLogits.empty() && flags.mode != Mode::kGenerate)
    return flagError("CLI_FLAG", "--dump-logits goes with a prompt");
  return Status::ok();
}

/// Flags with few values: before anything is opened.
Status checkNames(const Flags& flags) {
  const struct {
    const char *flag, *said;
    const std::string& value;
    std::initializer_list<std::string_view> known;
  } names[] = {{"--policy", "fcfs, priority or mlfq", flags.policy, {"fcfs", "priority", "mlfq"}},
               {"--preempt", "recompute or swap", flags.preempt, {"recompute", "swap"}},
               {"--log-format", "text or json", flags.logFormat, {"text", "json"}},
               {"--metrics-prefix", "vllm or llmc", flags.metricsPrefix, {"vllm", "llmc"}}};
  for (const auto& [flag, said, value, known] : names)
    if (std::find(known.begin(), known.end(), value) == known.end())
      return flagError("CLI_FLAG", std::string(flag) + " must be " + said + ", found '" + escaped(value, 40) + "'");
  return Status::ok();
}

Status readNumbers(const Parsed& parsed, Flags& flags) {
  constexpr int64_t kMany = INT32_MAX;
  LLMC_TRY(readInteger(parsed, "max-tokens", flags.maxTokens, 1, kMany));
  LLMC_TRY(readInteger(parsed, "min-tokens", flags.minTokens, 0, kMany));
  LLMC_TRY(readInteger(parsed, "top-k", flags.topK, -1, kMany));
  LLMC_TRY(readReal(parsed, "temperature", flags.temperature, 0, 100));
  LLMC_TRY(readReal(parsed, "top-p", flags.topP, 1e-9, 1));
  LLMC_TRY(readReal(parsed, "min-p", flags.minP, 0, 1));
  LLMC_TRY(readReal(parsed, "typical-p", flags.typicalP, 1e-9, 1));
  LLMC_TRY(readReal(parsed, "repetition-penalty", flags.repetitionPenalty, 1e-3, 100));
  LLMC_TRY(readReal(parsed, "presence-penalty", flags.presencePenalty, -2, 2));
  LLMC_TRY(readReal(parsed, "frequency-penalty", flags.frequencyPenalty, -2, 2));
  LLMC_TRY(readInteger(parsed, "logprobs", flags.logprobs, 0, limits::kTopLogprobs));
  if (parsed.count("threads") && parsed["threads"].as<std::string>() != "auto")
    LLMC_TRY(readInteger(parsed, "threads", flags.threads, 1, limits::kThreads));
  LLMC_TRY(readCount(parsed, "max-model-len", flags.maxModelLen, limits::kPositions));
  LLMC_TRY(readCount(parsed, "max-num-batched-tokens", flags.maxBatchedTokens, limits::kMaxTokensPerStep));
  LLMC_TRY(readInteger(parsed, "chunk", flags.chunk, 2, limits::kPositions));
  LLMC_TRY(readInteger(parsed, "prompt-tokens", flags.benchPromptTokens, 1, limits::kPositions));
  LLMC_TRY(readInteger(parsed, "output-tokens", flags.benchOutputTokens, 1, limits::kPositions));
  LLMC_TRY(readInteger(parsed, "streams", flags.benchStreams, 1, limits::kSequences));
  LLMC_TRY(readInteger(parsed, "repeat", flags.benchRepeat, 1, 10000));
  LLMC_TRY(readInteger(parsed, "port", flags.port, 0, 65535));
  LLMC_TRY(readInteger(parsed, "max-num-seqs", flags.maxSequences, 1, limits::kSequences));
  LLMC_TRY(readInteger(parsed, "max-queue", flags.maxQueue, 1, 1'000'000));
  LLMC_TRY(readReal(parsed, "prompt-stretch", flags.promptStretch, 0, 1000));
  LLMC_TRY(readReal(parsed, "client-us", flags.clientMicroseconds, 0, 1e6));
  LLMC_TRY(readInteger(parsed, "drain-seconds", flags.drainSeconds, 0, 86400));
  LLMC_TRY(readInteger(parsed, "watchdog-seconds", flags.watchdogSeconds, 0, 86400));
  if (parsed.count("seed")) {
    auto seed = parseSeed("--seed", parsed["seed"].as<std::string>());
    if (!seed) return seed.takeStatus();
    flags.seed = *seed;
  }
  if (parsed.count("kv-memory") && parsed["kv-memory"].as<std::string>() != "auto") {
    auto size = parseSize("--kv-memory", parsed["kv-memory"].as<std::string>());
    if (!size) return size.takeStatus();
    flags.kvMemory = *size;
  }
  if (parsed.count("swap-space")) {
    std::string text = parsed["swap-space"].as<std::string>();
    if (text.find_first_not_of("0123456789.") == std::string::npos) text += 'G';  // as vLLM's
    auto size = parseSize("--swap-space", text);
    if (!size) return size.takeStatus();
    flags.swapSpace = *size;
    flags.swapSpaceGiven = true;
  }
  return Status::ok();
}

struct FlagGroup {
  bool works;
  const char* with;
  std::initializer_list<const char*> flags;
};

/// Flags that only some modes read. The others, --config say, go with all.
Status refuseIdleGroups(const Parsed& parsed, const Flags& flags) {
  const Mode mode = flags.mode;
  const bool answers = (mode == Mode::kGenerate && flags.dumpLogits.empty()) || mode == Mode::kChat;
  const bool serves = mode == Mode::kServe, schedules = serves || mode == Mode::kSimulate;
  const FlagGroup groups[] = {
      {answers, "a prompt or --chat", {"max-tokens", "min-tokens", "stop", "ignore-eos"}},
      {answers || serves,
       "a prompt, --chat or serving",
       {"seed", "temperature", "top-p", "top-k", "min-p", "typical-p", "repetition-penalty", "presence-penalty",
        "frequency-penalty"}},
      {mode != Mode::kCheck && mode != Mode::kTokenize,
       "what runs the engine, not --check or --tokenize",
       {"device", "no-graphs", "enforce-eager", "threads", "max-model-len", "kv-memory", "max-num-batched-tokens",
        "no-verify-weights"}},
      {serves,
       "serving",
       {"host", "port", "api-key", "api-key-file", "open-metrics", "served-model-name", "generation-config",
        "override-generation-config", "drain-seconds", "watchdog-seconds", "log-format", "access-log", "metrics-prefix",
        "old-metric-names", "no-async-scheduling"}},
      {schedules,
       "serving or --simulate",
       {"max-num-seqs", "max-queue", "policy", "prompt-stretch", "no-prefix-cache", "preempt", "swap-space"}},
  };
  for (const FlagGroup& group : groups)
    for (const char* flag : group.flags)
      if (parsed.count(flag) && !group.works)
        return flagError("CLI_FLAG", std::string("--") + flag + " goes with " + group.with);
  return Status::ok();
}

/// A flag that would do nothing is a mistake of whoever gave it.
Status refuseIdleFlags(const Parsed& parsed, const Flags& flags) {
  struct Rule {
    const char* flag;
    bool works;
    const char* with;
  };
  const bool generates = flags.mode == Mode::kGenerate, bench = flags.mode == Mode::kBench;
  const Rule rules[] = {
      {"chunk", flags.mode == Mode::kPerplexity, "--perplexity"},
      {"prompt-tokens", bench, "--bench"},
      {"output-tokens", bench, "--bench"},
      {"repeat", bench, "--bench"},
      {"random-weights", bench || flags.mode == Mode::kServe, "serving or --bench"},
      {"trace", bench || flags.mode == Mode::kServe, "serving or --bench"},
      {"streams", bench || !flags.dumpLogits.empty(), "--bench or --dump-logits"},
      {"step-cost", flags.mode == Mode::kSimulate, "--simulate"},
      {"client-us", flags.mode == Mode::kSimulate && flags.stepCost.empty(), "--simulate without --step-cost"},
      {"deterministic", flags.mode == Mode::kSimulate || bench || flags.mode == Mode::kServe,
       "serving, --simulate or --bench"},
      {"logprobs", generates && flags.json, "--json and a prompt"},
      {"json", flags.mode != Mode::kChat && flags.mode != Mode::kServe && flags.dumpLogits.empty(),
       "a prompt or another mode that prints a result: not serving, --chat or --dump-logits"},
  };
  for (const Rule& rule : rules)
    if (parsed.count(rule.flag) && !rule.works)
      return flagError("CLI_FLAG", std::string("--") + rule.flag + " goes with " + rule.with);
  return Status::ok();
}

/// Values that contradict each other.
Status refuseContradictions(const Parsed& parsed, const Flags& flags) {
  const bool schedules = flags.mode == Mode::kServe || flags.mode == Mode::kSimulate;
  if (flags.trace == "-" || flags.dumpLogits == "-")
    return flagError("CLI_FLAG", std::string(flags.trace == "-" ? "--trace" : "--dump-logits") +
                                     " writes a file that it goes back in, - is none; name one");
  // Who leaves the budget out gets one that suffices.
  if (schedules && parsed.count("max-num-batched-tokens") && flags.maxBatchedTokens < flags.maxSequences)
    return flagError("CLI_FLAG", "--max-num-batched-tokens " + std::to_string(flags.maxBatchedTokens) +
                                     " is less than --max-num-seqs " + std::to_string(flags.maxSequences) +
                                     ", and each running sequence takes a token of a step; raise the one or lower the "
                                     "other");
  return Status::ok();
}

/// The last value of --log-format on a line that need not make sense otherwise; empty: it has none.
std::string typedLogFormat(const std::vector<std::string>& arguments) {
  std::string value;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!arguments[i].starts_with("--")) continue;
    const size_t equals = arguments[i].find('=');
    if (ourFlagName(std::string_view(arguments[i]).substr(2, equals - 2)) != "log-format") continue;
    if (equals != std::string::npos)
      value = arguments[i].substr(equals + 1);
    else if (i + 1 < arguments.size())
      value = arguments[i + 1];
  }
  return value;
}

/// The command line in our spelling, after the flags of --config.
Result<SpelledLine> gatherArguments(int argc, const char* const* argv, ErrorContext& context) {
  const std::vector<std::string> given(argv + std::min(argc, 1), argv + argc);
  const std::string logFormat = typedLogFormat(given);
  context.json = logFormat == "json";
  auto line = inOurSpelling(given);
  LLMC_TRY(line.status());
  const std::vector<std::string> typed = std::move(line->arguments);
  std::vector<std::string>& all = line->arguments = {};
  std::string config;
  for (size_t i = 0; i < typed.size(); ++i) {
    const size_t equals = typed[i].find('=');
    const auto* const flag = typed[i].starts_with("--") ? findFlag(typed[i].substr(2, equals - 2)) : nullptr;
    if (!flag || flag->value.empty()) continue;
    if (equals == std::string::npos && i + 1 >= typed.size()) continue;
    const std::string value = equals == std::string::npos ? typed[++i] : typed[i].substr(equals + 1);
    if (flag->name == "config") config = value;
  }
  if (!config.empty()) {
    auto file = ConfigFile::open(config);
    LLMC_TRY(file.status());
    if (logFormat.empty()) context.json = file->peek("log-format") == "json";
    auto fromFile = file->arguments(line->said, context.places, line->notices);
    LLMC_TRY(fromFile.status());
    all = fromFile.take();
  }
  all.insert(all.begin(), "llmc-run");
  all.insert(all.end(), typed.begin(), typed.end());
  return line;
}

Result<Flags> readAll(int argc, const char* const* argv, ErrorContext& context) {
  auto line = gatherArguments(argc, argv, context);
  LLMC_TRY(line.status());
  std::vector<const char*> texts;
  for (const std::string& argument : line->arguments) texts.push_back(argument.c_str());
  cxxopts::Options options("llmc-run");
  auto add = options.add_options();
  add("engine", "", cxxopts::value<std::string>());
  for (const FlagHelp& flag : allFlags()) {
    const std::string name(flag.name);
    if (flag.value.empty())
      add(name, "");
    else if (flagRepeats(name))
      add(name, "", cxxopts::value<std::vector<std::string>>());
    else
      add(name, "", cxxopts::value<std::string>());
  }
  options.parse_positional({"engine"});
  const Parsed parsed = options.parse(static_cast<int>(texts.size()), texts.data());
  Flags flags;
  flags.notices = std::move(line->notices);
  if (parsed.count("help")) return flags;
  flags.mode = Mode::kVersion;
  if (parsed.count("version")) return flags;
  if (!parsed.unmatched().empty())
    return flagError("CLI_FLAG", "unexpected argument '" + escaped(parsed.unmatched()[0], 60) + "'");
  for (const FlagHelp& flag : allFlags())
    if (!flagRepeats(flag.name) && parsed.count(std::string(flag.name)) > 1)
      return flagError("CLI_FLAG", "--" + std::string(flag.name) + " was given twice");
  if (parsed.count("engine") > 1) return flagError("CLI_FLAG", "the engine was given twice");
  LLMC_TRY(readMode(parsed, line->serve, flags));
  LLMC_TRY(readTexts(parsed, flags));
  LLMC_TRY(checkNames(flags));
  LLMC_TRY(readNumbers(parsed, flags));
  LLMC_TRY(refuseIdleGroups(parsed, flags));
  LLMC_TRY(refuseIdleFlags(parsed, flags));
  LLMC_TRY(refuseContradictions(parsed, flags));
  return flags;
}

}  // namespace

Result<Flags> parseFlags(int argc, const char* const* argv, ErrorContext* context) {
  ErrorContext unasked;
  // cxxopts reports by exceptions; they end here.
  try {
    return readAll(argc, argv, context ? *context : unasked);
  } catch (const std::exception& error) {
    std::string what = error.what();
    for (const std::string& mark : {cxxopts::LQUOTE, cxxopts::RQUOTE})  // typographic ones; all else here quotes with '
      for (size_t at = what.find(mark); at != std::string::npos; at = what.find(mark, at + 1))
        what.replace(at, mark.size(), "'");
    return flagError("CLI_FLAG", what);
  }
}

}  // namespace llmc::rt
