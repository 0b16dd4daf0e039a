// Backwards from where the parser is to where its token began.
#include "compiler/import/JsonCursor.h"

#include <algorithm>

namespace llmc {
namespace {

bool isNumberByte(char c) { return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E'; }

}  // namespace

size_t tokenStart(std::string_view text, size_t done, JsonToken token) {
  size_t at = std::min(done, text.size());
  if (at == 0) return 0;
  switch (token) {
    case JsonToken::Bracket:
      return at - 1;
    case JsonToken::String:
      // Quotes inside are escaped, and outside of strings there is no backslash.
      for (--at; at > 0;) {
        if (text[--at] != '"') continue;
        size_t slashes = 0;
        while (slashes < at && text[at - 1 - slashes] == '\\') ++slashes;
        if (slashes % 2 == 0) return at;
      }
      return 0;
    case JsonToken::Number:
      if (!isNumberByte(text[at - 1])) --at;  // the byte that ended it
      while (at > 0 && isNumberByte(text[at - 1])) --at;
      return at;
    case JsonToken::Word:
      while (at > 0 && text[at - 1] >= 'a' && text[at - 1] <= 'z') --at;
      return at;
  }
  return at;
}

}  // namespace llmc
