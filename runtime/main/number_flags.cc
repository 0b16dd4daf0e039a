// std::from_chars over the whole text.
#include "runtime/main/number_flags.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <string>

namespace llmc::rt {
namespace {

Status notNumber(std::string_view flag, const std::string& wanted, std::string_view text) {
  return Status::error(ErrorKind::kUsage, "CLI_NUMBER",
                       std::string(flag) + " must be " + wanted + ", got '" + escaped(text, 60) + "'");
}

std::string shortReal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

template <typename T>
bool parseAll(std::string_view text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stop == end;
}

}  // namespace

Result<int64_t> parseInteger(std::string_view flag, std::string_view text, int64_t low, int64_t high) {
  int64_t value = 0;
  if (!parseAll(text, value) || value < low || value > high)
    return notNumber(flag, "a whole number in [" + std::to_string(low) + ", " + std::to_string(high) + "]", text);
  return value;
}

Result<int64_t> parseCount(std::string_view flag, std::string_view text, int64_t low, int64_t high) {
  static constexpr std::string_view kDecimal = "kmg", kBinary = "KMG";
  const auto decimal = text.empty() ? std::string_view::npos : kDecimal.find(text.back());
  const auto binary = text.empty() ? std::string_view::npos : kBinary.find(text.back());
  const std::string_view digits = text.substr(0, text.size() - 1);
  double value = 0;
  int64_t whole = 0;
  if (binary != std::string_view::npos && parseAll(digits, whole))  // vLLM takes no fractions here
    value = std::ldexp(static_cast<double>(whole), static_cast<int>(binary + 1) * 10);
  else if (decimal == std::string_view::npos || !parseAll(digits, value))
    return parseInteger(flag, text, low, high);
  else
    for (size_t i = 0; i <= decimal; ++i) value *= 1000;
  value = std::round(value * 1e3) / 1e3;  // 1.001 is no binary fraction
  if (!(value >= static_cast<double>(low) && value <= static_cast<double>(high)) || value != std::floor(value))
    return notNumber(flag, "a whole number in [" + std::to_string(low) + ", " + std::to_string(high) + "]", text);
  return static_cast<int64_t>(value);
}

Result<uint64_t> parseSeed(std::string_view flag, std::string_view text) {
  uint64_t value = 0;
  if (!parseAll(text, value)) return notNumber(flag, "a whole number in [0, 2^64)", text);
  return value;
}

Result<double> parseReal(std::string_view flag, std::string_view text, double low, double high) {
  double value = 0;
  if (!parseAll(text, value) || !(value >= low && value <= high))
    return notNumber(flag, "a number in [" + shortReal(low) + ", " + shortReal(high) + "]", text);
  return value;
}

Result<uint64_t> parseSize(std::string_view flag, std::string_view text) {
  const Status error = notNumber(flag, "a size such as 512M or 2G", text);
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc{} || !(value > 0)) return error;
  std::string_view suffix(stop, static_cast<size_t>(end - stop));
  int shift = 0;
  if (!suffix.empty() && suffix != "B") {
    static constexpr std::string_view kLetters = "KMGT";
    const auto letter = kLetters.find(static_cast<char>(suffix[0] & ~0x20));  // either case
    const std::string_view rest = suffix.substr(1);
    if (letter == std::string_view::npos || !(rest.empty() || rest == "B" || rest == "iB")) return error;
    shift = static_cast<int>(letter + 1) * 10;
  }
  value = std::ldexp(value, shift);
  if (!(value >= 1 && value < 0x1p62)) return error;
  return static_cast<uint64_t>(value);
}

Result<std::vector<int32_t>> parseIds(std::string_view flag, std::string_view text) {
  std::vector<int32_t> ids;
  while (true) {
    const auto comma = text.find(',');
    int32_t id = 0;
    if (!parseAll(text.substr(0, comma), id))
      return Status::error(ErrorKind::kUsage, "CLI_NUMBER",
                           std::string(flag) + ": entry " + std::to_string(ids.size() + 1) + ", '" +
                               escaped(text.substr(0, comma), 60) +
                               "', must be a token id, a whole number from 0 to 2147483647",
                           "separate ids by commas alone, as in 1,2,3");
    ids.push_back(id);
    if (comma == std::string_view::npos) return ids;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace llmc::rt
