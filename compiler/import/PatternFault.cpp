// A scan of a regular expression for constructs that make a backtracking matcher explode.
#include <vector>

#include "compiler/import/TokenizerCheck.h"

namespace llmc {
namespace {

constexpr size_t kPatternBytes = 64 << 10;

/// Index after the character class that opens at `i`, or npos when it never ends.
size_t skipClass(const std::string& pattern, size_t i) {
  int depth = 0;
  for (; i < pattern.size(); ++i) {
    if (pattern[i] == '\\')
      ++i;
    else if (pattern[i] == '[')
      ++depth;
    else if (pattern[i] == ']' && --depth == 0)
      return i + 1;
  }
  return std::string::npos;
}

bool repeats(char c) { return c == '+' || c == '*'; }

/// A quantifier without upper bound at `i`: +, * or {n,}.
bool unboundedAt(const std::string& pattern, size_t i) {
  if (i >= pattern.size()) return false;
  if (repeats(pattern[i])) return true;
  if (pattern[i] != '{') return false;
  size_t close = pattern.find('}', i);
  return close != std::string::npos && close > i + 1 && pattern[close - 1] == ',';
}

}  // namespace

std::string patternFault(const std::string& pattern) {
  if (pattern.size() > kPatternBytes) return "a pattern is longer than 64 KiB";
  std::vector<bool> groupRepeats;  // one entry an open group: it holds an unbounded quantifier
  for (size_t i = 0; i < pattern.size();) {
    char c = pattern[i];
    if (c == '\\') {
      char next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
      if ((next >= '1' && next <= '9') || next == 'k' || next == 'g') return "a pattern has a back-reference";
      if (next == '\0') return "a pattern ends in a backslash";
      i += 2;
      continue;
    }
    if (c == '[') {
      i = skipClass(pattern, i);
      if (i == std::string::npos) return "a character class never ends";
      continue;
    }
    if (c == '(') {
      groupRepeats.push_back(false);
      if (groupRepeats.size() > 64) return "groups are nested more than 64 deep";
    } else if (c == ')') {
      if (groupRepeats.empty()) return "a group ends that never began";
      bool inner = groupRepeats.back();
      groupRepeats.pop_back();
      if (inner && unboundedAt(pattern, i + 1)) return "a pattern repeats a group that itself repeats";
      if (inner && !groupRepeats.empty()) groupRepeats.back() = true;
    } else if (unboundedAt(pattern, i) && !groupRepeats.empty()) {
      groupRepeats.back() = true;
    }
    ++i;
  }
  return groupRepeats.empty() ? "" : "a group never ends";
}

}  // namespace llmc
