// cxxopts behind our Status.
#include "compiler/tools/CommandLine.h"

#include <charconv>
#include <cstdio>
#include <cxxopts.hpp>
#include <sstream>

namespace llmc {

rt::Status usageError(std::string message, std::string hint) {
  return rt::Status::error(rt::ErrorKind::kUsage, "USAGE", std::move(message), std::move(hint));
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
    return usageError(error.what(), "llmc help");
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

std::string helpWithout(const cxxopts::Options &flags, const std::string &positional) {
  std::istringstream lines(flags.help());
  std::string text, line;
  while (std::getline(lines, line))
    if (line.find("--" + positional + " ") == std::string::npos)
      text += line + "\n";
  return text;
}

int report(const rt::Status &status) {
  std::fprintf(stderr, "%s\n", status.toString().c_str());
  return rt::exitStatus(status.kind());
}

} // namespace llmc
