// What the subcommands of llmc share: parsing into a Status, numbers, error reports.
#pragma once

#include "runtime/base/status.h"
#include <cstdint>
#include <string>

namespace cxxopts {
class Options;
class ParseResult;
} // namespace cxxopts

namespace llmc {

/// error[USAGE], exit status 64.
rt::Status usageError(std::string message, std::string hint = {});

/// Parses flags; unknown or incomplete ones are usage errors, and so is one given twice that is not `positional`.
rt::Result<cxxopts::ParseResult> parseCommandLine(cxxopts::Options &flags, const std::string &positional, int argc,
                                                  char **argv);

/// A decimal number in [least, most].
rt::Result<int64_t> parseNumber(const char *flag, const std::string &text, int64_t least, int64_t most);

/// The help text without the line of the positional flag.
std::string helpWithout(const cxxopts::Options &flags, const std::string &positional);

/// Prints the error on stderr and returns its exit status.
int report(const rt::Status &status);

} // namespace llmc
