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

/// A line for each flag with its value and default, as llmc-run's; but for the flag that takes what stands alone.
/// `usage` is what follows the command's name. A description that ends in ")" says its default itself.
std::string helpText(const cxxopts::Options &flags, const std::string &positional, const std::string &usage);

/// Prints the error on stderr and returns its exit status. Nothing when stdout's reader is gone: 141 alone, as of a
/// program that SIGPIPE ends.
int report(const rt::Status &status);

/// What a failed write to stdout is: OUT_READER when nobody reads it any more, else OUT_IO.
rt::Status stdoutError(int error);

} // namespace llmc
