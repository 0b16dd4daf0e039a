// One table; a walk over the arguments that knows which flags take a value.
#include "runtime/main/flag_spellings.h"

#include <algorithm>

#include "runtime/main/help.h"

namespace llmc::rt {
namespace {

struct Spelling {
  std::string_view theirs, ours;
};

constexpr Spelling kSpellings[] = {
    {"max-batched-tokens", "max-num-batched-tokens"},
    {"scheduling-policy", "policy"},
    {"kv-cache-memory-bytes", "kv-memory"},
    {"max-num-queued-reqs", "max-queue"},
    {"shutdown-timeout", "drain-seconds"},
    {"no-enable-prefix-caching", "no-prefix-cache"},
    {"enable-prefix-caching", ""},
    {"async-scheduling", ""},
    {"enable-chunked-prefill", ""},
    {"enable-server-load-tracking", ""},
    {"enable-prompt-tokens-details", ""},
    {"enable-request-id-headers", ""},
    {"enforce-eager", "no-graphs"},
};

}  // namespace

std::string ourFlagName(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '_', '-');
  for (const auto& [theirs, ours] : kSpellings)
    if (out == theirs) return std::string(ours);
  return out;
}

std::vector<std::string> inOurSpelling(const std::vector<std::string>& arguments) {
  std::vector<std::string> out;
  bool engineSeen = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with("--") || argument.size() == 2) {
      engineSeen = engineSeen || !argument.starts_with("-");
      out.push_back(argument);
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string name = ourFlagName(std::string_view(argument).substr(2, equals - 2));
    if (name.empty()) continue;
    out.push_back("--" + name + (equals == std::string::npos ? "" : argument.substr(equals)));
    const FlagHelp* flag = findFlag(name);
    if (!flag || flag->value.empty() || equals != std::string::npos || i + 1 >= arguments.size()) continue;
    out.push_back(arguments[++i]);
    // Not --stop, which vLLM does not have: what follows its text is a mistake.
    while (engineSeen && flagRepeats(name) && name != "stop" && i + 1 < arguments.size() &&
           !arguments[i + 1].starts_with("-")) {
      out.push_back("--" + name);
      out.push_back(arguments[++i]);
    }
  }
  return out;
}

}  // namespace llmc::rt
