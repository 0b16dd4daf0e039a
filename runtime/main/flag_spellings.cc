// Five tables, each flag of vLLM's in one; a walk over the arguments that knows which flags take a value.
#include "runtime/main/flag_spellings.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "runtime/base/limits.h"
#include "runtime/format/kernel_abi.h"
#include "runtime/main/help.h"

namespace llmc::rt {
namespace {

struct Renamed {
  std::string_view theirs, ours;
};

constexpr Renamed kRenamed[] = {
    {"model", "engine"},
    {"max-batched-tokens", "max-num-batched-tokens"},
    {"scheduling-policy", "policy"},
    {"kv-cache-memory-bytes", "kv-memory"},
    {"max-num-queued-reqs", "max-queue"},
    {"shutdown-timeout", "drain-seconds"},
    {"preemption-mode", "preempt"},
};

/// Flags of one dash: vLLM's, and the two that every program has. What they stand for need not be had here.
constexpr Renamed kShort[] = {
    {"tp", "tensor-parallel-size"},
    {"pp", "pipeline-parallel-size"},
    {"dp", "data-parallel-size"},
    {"dpl", "data-parallel-size-local"},
    {"dcp", "decode-context-parallel-size"},
    {"pcp", "prefill-context-parallel-size"},
    {"n", "nnodes"},
    {"r", "node-rank"},
    {"asc", "api-server-count"},
    {"ep", "enable-expert-parallel"},
    {"q", "quantization"},
    {"cc", "compilation-config"},
    {"O", "optimization-level"},
    {"sc", "speculative-config"},
    {"h", "help"},
    {"v", "version"},
};

/// What vLLM's switch means when it is on and when it is off: a flag of ours, "" for what is always so, null for what
/// never is, and why.
struct Switch {
  std::string_view name;
  const char *on, *off, *why;
};

constexpr Switch kSwitches[] = {
    {"enable-prefix-caching", "", "no-prefix-cache", ""},
    {"async-scheduling", "", "no-async-scheduling", ""},
    {"enable-chunked-prefill", "", nullptr, "prompts longer than --max-num-batched-tokens always run in chunks"},
    {"enable-server-load-tracking", "", nullptr, "/load always answers"},
    {"enable-prompt-tokens-details", "", nullptr, "usage always says how many prompt tokens were cached"},
    {"enable-request-id-headers", "", nullptr, "answers always carry X-Request-Id"},
    {"enable-log-requests", nullptr, "", "--access-log writes a line for each request"},
    {"disable-log-requests", "", nullptr, "--access-log writes a line for each request"},
    {"disable-uvicorn-access-log", "", nullptr, "--access-log writes a line for each request"},
    {"disable-fastapi-docs", "", nullptr, "runtime/server/README.md has the routes, no route tells them"},
    {"disable-log-stats", "", nullptr, "numbers are at /metrics, not in a log"},
};

struct Fixed {
  std::string_view name;
  uint64_t number;         ///< accepted, unless `text` is not empty
  std::string_view text;   ///< accepted
  std::string_view other;  ///< why nothing else is
};

constexpr std::string_view kOneDevice = "one process runs on one device, replicas share a load (examples/replicas)";

constexpr Fixed kFixed[] = {
    {"block-size", kPageTokens, "", "a KV page's size is built into the engine's kernels"},
    {"dtype", 0, "auto", "llmc build chose the engine's types"},
    {"kv-cache-dtype", 0, "auto", "llmc build --kv-cache chose it"},
    {"load-format", 0, "auto", "an engine has one format"},
    {"config-format", 0, "auto", "an engine has one format"},
    {"tokenizer-mode", 0, "auto", "the engine holds the model's tokenizer"},
    {"model-impl", 0, "auto", "llmc build made the engine"},
    {"runner", 0, "generate", "an engine generates text"},
    {"task", 0, "generate", "an engine generates text"},
    {"cpu-offload-gb", 0, "", "an engine's weights are all on its device"},
    {"api-server-count", 1, "", kOneDevice},
    {"response-role", 0, "assistant", "answers are the assistant's"},
    {"tensor-parallel-size", 1, "", kOneDevice},
    {"pipeline-parallel-size", 1, "", kOneDevice},
    {"data-parallel-size", 1, "", kOneDevice},
    {"data-parallel-size-local", 1, "", kOneDevice},
    {"decode-context-parallel-size", 1, "", kOneDevice},
    {"prefill-context-parallel-size", 1, "", kOneDevice},
    {"nnodes", 1, "", kOneDevice},
    {"node-rank", 0, "", kOneDevice},
    {"max-logprobs", limits::kTopLogprobs, "", "that is the limit of a request's log probabilities"},
};

constexpr std::string_view kNoCors =
    "no CORS header is ever sent; a proxy before the server can add them (examples/replicas)";

/// What becomes of a flag of vLLM's that this server does not have: without it a server would do something else, or the
/// flag is about machinery that is not here, and is taken with a notice, alone or with its value.
enum class Fate : uint8_t { kRefused, kIdle, kIdleValue };

/// What vLLM has and this server has not, or has elsewhere.
struct Absent {
  std::string_view name, why;
  Fate fate = Fate::kRefused;
};

constexpr Absent kAbsent[] = {
    {"gpu-memory-utilization", "--kv-memory says how many bytes the KV cache has", Fate::kIdleValue},
    {"num-gpu-blocks-override", "--kv-memory says how many bytes the KV cache has"},
    {"quantization", "llmc build --quant chose how weights are stored"},
    {"compilation-config", "llmc build compiled the model", Fate::kIdleValue},
    {"optimization-level", "llmc build compiled the model", Fate::kIdleValue},
    {"attention-backend", "llmc build chose the kernels", Fate::kIdleValue},
    {"disable-cascade-attn", "llmc build chose the kernels", Fate::kIdle},
    {"max-seq-len-to-capture", "the engine says which steps are recorded as graphs", Fate::kIdleValue},
    {"max-cudagraph-capture-size", "the engine says which steps are recorded as graphs", Fate::kIdleValue},
    {"disable-custom-all-reduce", kOneDevice, Fate::kIdle},
    {"distributed-executor-backend", kOneDevice, Fate::kIdleValue},
    {"max-parallel-loading-workers", "an engine is mapped, not loaded tensor by tensor", Fate::kIdleValue},
    {"use-tqdm-on-load", "an engine is mapped, not loaded tensor by tensor", Fate::kIdle},
    {"download-dir", "an engine is a file, nothing is downloaded", Fate::kIdleValue},
    {"prefix-caching-hash-algo", "the prefix cache compares tokens, whatever their hash", Fate::kIdleValue},
    {"revision", "the engine holds one model"},
    {"tokenizer-revision", "the engine holds one model"},
    {"enable-expert-parallel", kOneDevice},
    {"tokenizer", "the engine holds the model's"},
    {"chat-template", "the engine holds the model's"},
    {"trust-remote-code", "an engine holds no code of a model's authors", Fate::kIdle},
    {"enable-auto-tool-choice", "there are no tools yet"},
    {"tool-call-parser", "there are no tools yet"},
    {"reasoning-parser", "answers are not split"},
    {"enable-lora", "there is no LoRA yet"},
    {"lora-modules", "there is no LoRA yet"},
    {"speculative-config", "there is no speculative decoding yet"},
    {"ssl-keyfile", "a proxy before the server does TLS (examples/replicas)"},
    {"ssl-certfile", "a proxy before the server does TLS (examples/replicas)"},
    {"root-path", "a proxy before the server takes it off (examples/replicas)"},
    {"allowed-origins", kNoCors},
    {"allowed-methods", kNoCors},
    {"allowed-headers", kNoCors},
    {"allow-credentials", kNoCors},
    {"bench-serve", "examples/bench_serve sends a server load and measures it; --bench measures without a server"},
    {"uds", "it listens on --host and --port; a proxy before the server may have a socket (examples/replicas)"},
    {"otlp-traces-endpoint", "--trace FILE has each request with its traceparent"},
    {"uvicorn-log-level", "there is one log, on stderr; --access-log adds requests", Fate::kIdleValue},
    {"max-log-len", "the log holds no prompts", Fate::kIdleValue},
    {"disable-frontend-multiprocessing", "there is one process", Fate::kIdle},
};

const Switch* findSwitch(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kSwitches), std::end(kSwitches), [&](const Switch& one) { return one.name == name; });
  return found == std::end(kSwitches) ? nullptr : found;
}

const Fixed* findFixed(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kFixed), std::end(kFixed), [&](const Fixed& one) { return one.name == name; });
  return found == std::end(kFixed) ? nullptr : found;
}

const Absent* findAbsent(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kAbsent), std::end(kAbsent), [&](const Absent& one) { return one.name == name; });
  return found == std::end(kAbsent) ? nullptr : found;
}

/// The switch that "no-NAME" is the negation of.
const Switch* findNegated(std::string_view name) {
  return name.starts_with("no-") ? findSwitch(name.substr(3)) : nullptr;
}

Status refused(const std::string& what, std::string_view why) {
  return Status::error(ErrorKind::kUsage, "CLI_FLAG", what + ": " + std::string(why), "leave it out");
}

}  // namespace

std::optional<std::string> ofOneDash(std::string_view argument) {
  if (argument.size() < 2 || argument[0] != '-') return std::nullopt;
  const std::string_view text = argument.substr(1);
  for (const auto& [theirs, name] : kShort) {
    if (!text.starts_with(theirs)) continue;
    std::string_view rest = text.substr(theirs.size());
    if (rest.empty()) return "--" + std::string(name);
    if (rest[0] == '=')
      rest.remove_prefix(1);
    else if (theirs.size() > 1 || name == "help" || name == "version")
      continue;  // -qawq, but -tp1 is no flag
    return "--" + std::string(name) + "=" + std::string(rest);
  }
  return std::nullopt;
}

std::string ourFlagName(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '_', '-');
  for (const auto& [theirs, ours] : kRenamed)
    if (out == theirs) return std::string(ours);
  return out;
}

bool isSwitch(std::string_view name) { return findSwitch(name) || findNegated(name); }

Result<Spelled> readSwitch(std::string_view name, bool on) {
  const Switch* one = findSwitch(name);
  if (!one) {
    one = findNegated(name);
    on = !on;
  }
  const char *flag = on ? one->on : one->off, *other = on ? one->off : one->on;
  if (!flag)
    return refused("--" + std::string(on ? "" : "no-") + std::string(one->name) + " is not to be had", one->why);
  return Spelled{flag, other ? other : ""};
}

Status checkHad(std::string_view name) {
  const Absent* const found = findAbsent(name);
  return !found || found->fate != Fate::kRefused ? Status::ok()
                                                 : refused("--" + std::string(name) + " is not to be had", found->why);
}

std::optional<Idle> findIdle(std::string_view name) {
  const Absent* found = findAbsent(name);
  if (!found && name.starts_with("no-")) found = findAbsent(name.substr(3));
  if (!found || found->fate == Fate::kRefused || (found->fate == Fate::kIdleValue && found->name != name)) return {};
  return Idle{found->fate == Fate::kIdleValue,
              "--" + std::string(name) + " has no effect here: " + std::string(found->why)};
}

bool isFixed(std::string_view name) { return findFixed(name) != nullptr; }

Status checkFixed(std::string_view name, std::string_view value) {
  const Fixed& fixed = *findFixed(name);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool same = fixed.text.empty()
                        ? error == std::errc{} && end == value.data() + value.size() && number == fixed.number
                        : value == fixed.text;
  if (same) return Status::ok();
  const std::string only = fixed.text.empty() ? std::to_string(fixed.number) : std::string(fixed.text);
  return refused("--" + std::string(name) + " can only be " + only + ", found '" + escaped(value, 40) + "'",
                 fixed.other);
}

bool isLeftOut(std::string_view name, std::string_view value) {
  return name == "max-model-len" && (value == "auto" || value == "-1");
}

namespace {

/// Walks over one command line.
class Line {
 public:
  explicit Line(const std::vector<std::string>& arguments) : arguments_(arguments) {}

  Result<SpelledLine> read() {
    std::error_code ignored;
    const auto kind = std::filesystem::status("serve", ignored).type();
    const bool engine = kind != std::filesystem::file_type::not_found && kind != std::filesystem::file_type::directory;
    out_.serve = !engine && !arguments_.empty() && arguments_[0] == "serve";
    if (out_.serve) ++at_;
    for (; at_ < arguments_.size(); ++at_) {
      const std::string& argument = arguments_[at_];
      if (argument.starts_with("--") && argument.size() > 2) {
        LLMC_TRY(flag(argument));
        continue;
      }
      if (const auto spelled = ofOneDash(argument)) {
        LLMC_TRY(flag(*spelled));
        continue;
      }
      engineSeen_ = engineSeen_ || !argument.starts_with("-");
      out_.said.emplace_back("engine");
      out_.arguments.push_back(argument);
    }
    for (const auto& [typed, opposite] : switches_)
      if (std::find(out_.arguments.begin(), out_.arguments.end(), opposite) != out_.arguments.end())
        return Status::error(ErrorKind::kUsage, "CLI_FLAG", typed + " says the opposite of " + opposite,
                             "give one of them");
    return std::move(out_);
  }

 private:
  bool more() const { return at_ + 1 < arguments_.size(); }

  Status flag(const std::string& argument) {
    const size_t equals = argument.find('=');
    const bool joined = equals != std::string::npos;
    const std::string name = ourFlagName(std::string_view(argument).substr(2, equals - 2));
    if (isSwitch(name) && !joined) {
      auto spelled = readSwitch(name, true);
      LLMC_TRY(spelled.status());
      if (!spelled->ours.empty()) out_.arguments.push_back("--" + spelled->ours);
      out_.said.push_back(spelled->ours);
      out_.said.emplace_back(spelled->other);
      if (!spelled->other.empty()) switches_.emplace_back(argument, "--" + std::string(spelled->other));
      return Status::ok();
    }
    LLMC_TRY(checkHad(name));
    if (const auto idle = findIdle(name)) return take(name, *idle, joined);
    const std::string value = joined ? argument.substr(equals + 1) : more() ? arguments_[at_ + 1] : std::string();
    const bool fixed = isFixed(name);
    if (fixed || isLeftOut(name, value)) {
      out_.said.push_back(name);
      if (!joined) ++at_;  // one that is missing is none that is allowed
      return fixed ? checkFixed(name, value) : Status::ok();
    }
    ours(name, joined ? argument.substr(equals) : std::string());
    return Status::ok();
  }

  Status take(const std::string& name, const Idle& idle, bool joined) {
    if (idle.value && !joined) {
      if (!more() || arguments_[at_ + 1].starts_with("--"))
        return Status::error(ErrorKind::kUsage, "CLI_FLAG", "--" + name + " needs a value",
                             "give it one or leave it out");
      ++at_;
    }
    out_.said.push_back(name);
    if (std::find(out_.notices.begin(), out_.notices.end(), idle.notice) == out_.notices.end())
      out_.notices.push_back(idle.notice);
    return Status::ok();
  }

  void ours(const std::string& name, const std::string& value) {
    out_.said.push_back(name);
    out_.arguments.push_back("--" + name + value);
    const FlagHelp* flag = findFlag(name);
    if (name == "engine") engineSeen_ = true;
    if ((name != "engine" && (!flag || flag->value.empty())) || !value.empty() || !more()) return;
    out_.arguments.push_back(arguments_[++at_]);
    // Not --stop, which vLLM does not have: what follows its text is a mistake.
    while (engineSeen_ && flag && flagRepeats(name) && name != "stop" && more() &&
           !arguments_[at_ + 1].starts_with("-")) {
      out_.arguments.push_back("--" + name);
      out_.arguments.push_back(arguments_[++at_]);
    }
  }

  const std::vector<std::string>& arguments_;
  size_t at_ = 0;
  bool engineSeen_ = false;
  std::vector<std::pair<std::string, std::string>> switches_;  ///< as typed, the flag of ours that says the opposite
  SpelledLine out_;
};

}  // namespace

Result<SpelledLine> inOurSpelling(const std::vector<std::string>& arguments) { return Line(arguments).read(); }

}  // namespace llmc::rt
