// A reading position in PTX text that knows its line; comments are already blank.
#pragma once

#include <cctype>
#include <string>
#include <string_view>

namespace llmc::emu {

class PtxCursor {
 public:
  explicit PtxCursor(std::string_view text, uint32_t line = 1) : text_(text), line_(line) {}

  uint32_t line() const { return line_; }
  bool atEnd() {
    skipSpace();
    return position_ >= text_.size();
  }
  char peek() {
    skipSpace();
    return position_ < text_.size() ? text_[position_] : '\0';
  }
  bool take(char wanted) {
    if (peek() != wanted) return false;
    ++position_;
    return true;
  }
  bool at(std::string_view wanted) {
    skipSpace();
    return text_.substr(position_).starts_with(wanted);
  }
  /// A name with leading % or $, dots excluded; empty if none is here.
  std::string_view name() {
    skipSpace();
    size_t start = position_;
    while (position_ < text_.size() && isNameChar(text_[position_])) ++position_;
    return text_.substr(start, position_ - start);
  }
  /// What stands here, up to white space.
  std::string_view word() {
    skipSpace();
    size_t start = position_;
    while (position_ < text_.size() && !std::isspace((unsigned char)text_[position_])) ++position_;
    return text_.substr(start, position_ - start);
  }
  /// Everything up to `end`, which is consumed; lines inside are counted.
  std::string_view until(char end) {
    skipSpace();
    size_t start = position_;
    while (position_ < text_.size() && text_[position_] != end) advance();
    std::string_view found = text_.substr(start, position_ - start);
    if (position_ < text_.size()) advance();
    return found;
  }
  /// The text between braces or parentheses whose opening one was just taken.
  std::string_view nested(char open, char close) {
    size_t start = position_;
    for (int depth = 1; position_ < text_.size(); advance()) {
      if (text_[position_] == open) ++depth;
      if (text_[position_] == close && --depth == 0) break;
    }
    std::string_view found = text_.substr(start, position_ - start);
    closed_ = position_ < text_.size();
    if (closed_) advance();
    return found;
  }
  /// Whether the last nested() found its end.
  bool closed() const { return closed_; }
  void skipLine() {
    while (position_ < text_.size() && text_[position_] != '\n') ++position_;
  }
  /// Whether a label stands here: a name and one colon.
  bool atLabel() {
    skipSpace();
    size_t end = position_;
    while (end < text_.size() && isNameChar(text_[end])) ++end;
    return end > position_ && end < text_.size() && text_[end] == ':' &&
           (end + 1 >= text_.size() || text_[end + 1] != ':');
  }

 private:
  static bool isNameChar(char c) { return std::isalnum((unsigned char)c) || c == '_' || c == '$' || c == '%'; }
  void advance() {
    if (text_[position_] == '\n') ++line_;
    ++position_;
  }
  void skipSpace() {
    while (position_ < text_.size() && std::isspace((unsigned char)text_[position_])) advance();
  }

  std::string_view text_;
  size_t position_ = 0;
  bool closed_ = true;
  uint32_t line_;
};

}  // namespace llmc::emu
