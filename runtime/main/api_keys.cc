// A key that cannot be sent would leave a server that refuses everybody.
#include "runtime/main/api_keys.h"

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "runtime/base/system_error.h"

namespace llmc::rt {
namespace {

bool isBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string trimmed(const std::string& line) {
  const auto begin = std::find_if_not(line.begin(), line.end(), isBlank);
  const auto end = std::find_if_not(line.rbegin(), std::make_reverse_iterator(begin), isBlank).base();
  return {begin, end};
}

/// Nothing if a header can carry the key, which arrives without blanks around it.
const char* fault(const std::string& key) {
  if (key.empty()) return "is empty";
  if (isBlank(key.front()) || isBlank(key.back())) return "has a blank at its beginning or end";
  const bool control = std::any_of(key.begin(), key.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; });
  return control ? "has a control character" : nullptr;
}

Status keyError(ErrorKind kind, const std::string& what) {
  return Status::error(kind, "CLI_KEY", what, "without --api-key and --api-key-file a loopback server asks for no key");
}

Status readFile(const std::string& path, std::vector<std::string>& keys) {
  std::ifstream file(path);
  size_t number = 0, found = 0;
  for (std::string line; std::getline(file, line);) {
    if (++number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // some editors' mark of UTF-8
    const std::string key = trimmed(line);
    if (key.empty() || key.starts_with('#')) continue;
    if (const char* why = fault(key))
      return keyError(ErrorKind::kBadInput,
                      "the key in " + escaped(path) + " line " + std::to_string(number) + " " + why);
    keys.push_back(key);
    ++found;
  }
  if (const int error = errno; !file.eof()) return fileError("CLI_FLAG", "cannot read the keys in", path, error);
  if (found == 0) return keyError(ErrorKind::kBadInput, "there is no key in " + escaped(path));
  return Status::ok();
}

}  // namespace

Result<std::vector<std::string>> readApiKeys(const Flags& flags) {
  std::vector<std::string> keys;
  for (const std::string& key : flags.apiKeys) {
    if (const char* why = fault(key)) return keyError(ErrorKind::kUsage, std::string("the key of --api-key ") + why);
    keys.push_back(key);
  }
  if (flags.apiKeyFile) LLMC_TRY(readFile(*flags.apiKeyFile, keys));
  return keys;
}

}  // namespace llmc::rt
