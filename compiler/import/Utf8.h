// UTF-8 validity, for text that ends up in JSON or in a tokenizer.
#pragma once

#include <cstddef>
#include <string_view>

namespace llmc {

/// Length of the valid UTF-8 sequence at text[i], or 0 when there is none (overlong forms and surrogates are invalid).
inline size_t utf8SequenceLength(std::string_view text, size_t i) {
  auto byteAt = [&](size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
  auto continues = [&](size_t k) { return (byteAt(k) & 0xc0) == 0x80; };
  unsigned first = byteAt(i), second = byteAt(i + 1);
  if (i >= text.size()) return 0;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(i + 1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    bool valid =
        continues(i + 1) && continues(i + 2) && !(first == 0xe0 && second < 0xa0) && !(first == 0xed && second > 0x9f);
    return valid ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    bool valid = continues(i + 1) && continues(i + 2) && continues(i + 3) && !(first == 0xf0 && second < 0x90) &&
                 !(first == 0xf4 && second > 0x8f);
    return valid ? 4 : 0;
  }
  return 0;
}

/// Offset of the first byte that is not part of valid UTF-8, or text.size().
inline size_t utf8ValidPrefix(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    size_t length = utf8SequenceLength(text, i);
    if (length == 0) return i;
    i += length;
  }
  return i;
}

inline bool validUtf8(std::string_view text) { return utf8ValidPrefix(text) == text.size(); }

}  // namespace llmc
