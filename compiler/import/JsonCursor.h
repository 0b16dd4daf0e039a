// Where a SAX parser is in its text: nlohmann's events do not say, so the text is read through an iterator that does.
#pragma once

#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace llmc {

/// Reads characters and keeps count of them in a place that the SAX handler sees too.
class JsonCursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  /// `at` is inside a text; `*done` counts on from what it is.
  JsonCursor(const char* at, size_t* done) : at_(at), done_(done) {}
  reference operator*() const { return *at_; }
  JsonCursor& operator++() {
    ++at_;
    ++*done_;
    return *this;
  }
  bool operator==(const JsonCursor& other) const { return at_ == other.at_; }
  bool operator!=(const JsonCursor& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  size_t* done_;
};

/// What an event is about; says how its first byte is found from where the parser has read to.
enum class JsonToken : uint8_t { String, Number, Word, Bracket };

/// First byte of the token that the parser has just read; `done` is the cursor's count.
size_t tokenStart(std::string_view text, size_t done, JsonToken token);

/// Runs `handler` over `text`; `done` counts the characters that have been read at each event.
inline bool parseWithCursor(const std::string& text, size_t& done, nlohmann::json_sax<nlohmann::json>* handler) {
  const char* begin = text.data();
  return nlohmann::json::sax_parse(JsonCursor(begin, &done), JsonCursor(begin + text.size(), &done), handler);
}

}  // namespace llmc
