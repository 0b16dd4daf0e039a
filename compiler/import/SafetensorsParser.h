// Streaming reader of a safetensors header's JSON; keeps nothing but the entries.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <unordered_set>
#include <vector>

#include "compiler/import/ImportError.h"
#include "compiler/import/JsonCursor.h"

namespace llmc {

/// One tensor as the header states it; nothing but JSON types is checked.
struct SafetensorsEntry {
  std::string name, dtype;
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;  // from the start of the data
  int64_t at = -1;              // of its name in the file
};

/// SAX handler for {"__metadata__": {text: text}, name: {"dtype": text, "shape": [..], "data_offsets": [begin, end]}}.
class SafetensorsParser : public nlohmann::json_sax<nlohmann::json> {
 public:
  /// `base` is the byte offset of the header's text in the file. Both must outlive this.
  SafetensorsParser(const std::string& file, const std::string& text, int64_t base)
      : file_(file), text_(text), base_(base) {}

  /// Reads the whole text; `status` and `entries` are the outcome.
  void parse() { parseWithCursor(text_, done_, this); }

  bool null() override { return scalar("null"); }
  bool boolean(bool) override { return scalar("a boolean"); }
  bool number_integer(number_integer_t) override { return badNumber("a negative number"); }
  bool number_unsigned(number_unsigned_t value) override;
  bool number_float(number_float_t, const string_t&) override {
    return badNumber("a fraction or a number beyond 64 bits");
  }
  bool string(string_t& value) override;
  bool binary(binary_t&) override { return scalar("binary"); }
  bool start_object(std::size_t) override;
  bool end_object() override;
  bool start_array(std::size_t) override;
  bool end_array() override;
  bool key(string_t& value) override;
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override;

  rt::Status status;
  std::vector<SafetensorsEntry> entries;

 private:
  enum class Field : uint8_t { None, Dtype, Shape, Offsets };

  /// At the token that the parser has just read.
  bool fail(const char* code, std::string_view reason, JsonToken token);
  bool scalar(const char* what) { return unexpected(what, JsonToken::Word); }
  bool badNumber(const char* what) { return unexpected(what, JsonToken::Number); }
  bool unexpected(const char* what, JsonToken token);
  bool nameAllowed(const std::string& name);

  const std::string& file_;
  const std::string& text_;
  int64_t base_;
  size_t done_ = 0;        // characters that the parser has read
  int depth_ = 0;          // 1: names, 2: fields or metadata, 3: inside an array
  bool metadata_ = false;  // inside __metadata__
  Field field_ = Field::None;
  unsigned seen_ = 0;    // bit per Field of the entry under way
  std::string name_;     // last key of depth 1
  int64_t nameAt_ = -1;  // of that key in the file
  uint64_t offsets_[2] = {};
  size_t offsetCount_ = 0;
  uint64_t metadataBytes_ = 0;
  std::unordered_set<std::string> names_, metadataKeys_;
};

}  // namespace llmc
