// cxxopts behind our Status.
#include "compiler/tools/CommandLine.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <cxxopts.hpp>
#include <sstream>

namespace llmc {

rt::Status usageError(std::string message, std::string hint) {
  return rt::Status::error(rt::ErrorKind::kUsage, "USAGE", std::move(message), std::move(hint));
}

/// cxxopts quotes with typographic marks; all else here does with '.
static std::string plainQuotes(std::string text) {
  for (const std::string &mark : {cxxopts::LQUOTE, cxxopts::RQUOTE})
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1))
      text.replace(at, mark.size(), "'");
  return text;
}

rt::Result<cxxopts::ParseResult> parseCommandLine(cxxopts::Options &flags, const std::string &positional, int argc,
                                                  char **argv) {
  try {
    cxxopts::ParseResult parsed = flags.parse(argc, argv);
    for (const auto &argument : parsed.arguments())
      if (argument.key() != positional && parsed.count(argument.key()) > 1)
        return usageError("--" + argument.key() + " was given twice", "llmc help");
    return parsed;
  } catch (const std::exception &error) { // cxxopts reports by exceptions; they end here
    return usageError(plainQuotes(error.what()), "llmc help");
  }
}

rt::Result<int64_t> parseNumber(const char *flag, const std::string &text, int64_t least, int64_t most) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    return usageError("--" + std::string(flag) + " expects a number from " + std::to_string(least) + " to " +
                      std::to_string(most) + ", found '" + rt::escaped(text) + "'");
  return value;
}

std::string helpText(const cxxopts::Options &flags, const std::string &positional, const std::string &usage) {
  constexpr size_t kColumn = 29;
  std::istringstream about(flags.help({"no group"}));
  std::string what;
  std::getline(about, what);
  std::string text = flags.program() + ": " + what + "\n\nusage: " + flags.program() + " " + usage + "\n\n";
  for (const cxxopts::HelpOptionDetails &flag : flags.group_help("").options) {
    const std::string &name = flag.l.front();
    if (name == positional)
      continue;
    std::string left = "  " + (flag.s.empty() ? "" : "-" + flag.s + ", ") + "--" + name;
    if (!flag.is_boolean)
      left += " " + flag.arg_help;
    left.resize(std::max(left.size() + 1, kColumn), ' ');
    text += left + flag.desc;
    if (!flag.desc.ends_with(")") && name != "help")
      text += flag.is_boolean ? " (default: off)" : " (default: " + flag.default_value + ")";
    text += "\n";
  }
  return text;
}

constexpr const char *kReaderGone = "OUT_READER";

int report(const rt::Status &status) {
  constexpr int kPipeStatus = 128 + SIGPIPE; // what shells make of a program that the signal ended
  if (status.code() == kReaderGone)
    return kPipeStatus;
  std::fprintf(stderr, "%s\n", status.toString().c_str());
  return rt::exitStatus(status.kind());
}

rt::Status stdoutError(int error) {
  return rt::Status::error(rt::ErrorKind::kIo, error == EPIPE ? kReaderGone : "OUT_IO",
                           std::string("cannot write to stdout: ") + std::strerror(error));
}

} // namespace llmc
