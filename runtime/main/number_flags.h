// Strict numbers and sizes from the command line: the whole text must be the number, inside its range.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::rt {

/// Error CLI_NUMBER (64) names `flag`, the range and the text.
Result<int64_t> parseInteger(std::string_view flag, std::string_view text, int64_t low, int64_t high);
/// The same, also as vLLM writes large numbers: "4k", "1.5k" and "2m" are powers of 1000, "4K" and "1M" of 1024.
Result<int64_t> parseCount(std::string_view flag, std::string_view text, int64_t low, int64_t high);
Result<uint64_t> parseSeed(std::string_view flag, std::string_view text);
Result<double> parseReal(std::string_view flag, std::string_view text, double low, double high);

/// Bytes: a positive number with an optional suffix K, M, G, T (powers of 1024; "KiB", "MB" and the like too).
Result<uint64_t> parseSize(std::string_view flag, std::string_view text);

/// "1,2,3" as ids. Whether a vocabulary has them is checkPrompt's to say. Error CLI_NUMBER, with the entry's number.
Result<std::vector<int32_t>> parseIds(std::string_view flag, std::string_view text);

}  // namespace llmc::rt
