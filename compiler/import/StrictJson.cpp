// SAX handler behind parseStrictJson; nlohmann's parser itself keeps its nesting off the call stack.
#include "compiler/import/StrictJson.h"

#include "compiler/import/ImportError.h"
#include "compiler/import/JsonCursor.h"
#include "runtime/base/limits.h"

namespace llmc {
namespace {

using Json = nlohmann::json;

class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  StrictBuilder(const std::string& file, const std::string& text, const std::string& prefix)
      : file_(file), text_(text), prefix_(prefix) {}

  void parse() {
    parseWithCursor(text_, done_, this);
    // To nlohmann a NUL is the end of its text, and what stands behind it would not be read.
    if (const size_t end = text_.find('\0'); end != std::string::npos) failAt("_JSON", "not valid JSON", end);
  }

  bool null() override { return put(nullptr, JsonToken::Word); }
  bool boolean(bool value) override { return put(value, JsonToken::Word); }
  bool number_integer(number_integer_t value) override { return put(value, JsonToken::Number); }
  bool number_unsigned(number_unsigned_t value) override { return put(value, JsonToken::Number); }
  bool number_float(number_float_t value, const string_t&) override { return put(value, JsonToken::Number); }
  bool string(string_t& value) override { return put(std::move(value), JsonToken::String); }
  bool binary(binary_t&) override { return failAt("_JSON", "binary value", 0); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    auto [it, inserted] = open_.back()->get_ref<Json::object_t&>().emplace(value, nullptr);
    if (!inserted) return fail("_DUP", "a key appears twice", JsonToken::String, value);
    slot_ = &it->second;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    // 406: a number too large for a double.
    if (error.id == 406) return fail("_TYPE", "a number is out of range", JsonToken::Number);
    return failAt("_JSON", "not valid JSON", position - (position > 0));  // counted from 1
  }

  rt::Status status;
  Json root;

 private:
  bool failAt(const char* code, std::string_view reason, size_t position, std::string_view object = {}) {
    if (status.isOk()) status = importError(prefix_ + code, {file_, static_cast<int64_t>(position), object}, reason);
    return false;
  }
  /// At the token that the parser has just read.
  bool fail(const char* code, std::string_view reason, JsonToken token, std::string_view object = {}) {
    return failAt(code, reason, tokenStart(text_, done_, token), object);
  }
  Json* place(Json&& value) {
    if (open_.empty()) {
      root = std::move(value);
      return &root;
    }
    if (open_.back()->is_array()) return &open_.back()->get_ref<Json::array_t&>().emplace_back(std::move(value));
    *slot_ = std::move(value);
    return slot_;
  }
  bool put(Json&& value, JsonToken token) {
    if (++values_ > rt::limits::kJsonValues) return fail("_TOO_LARGE", "too many values", token);
    place(std::move(value));
    return true;
  }
  bool open(Json&& container) {
    if (open_.size() >= rt::limits::kJsonDepth) return fail("_DEPTH", "nested more than 64 deep", JsonToken::Bracket);
    if (++values_ > rt::limits::kJsonValues) return fail("_TOO_LARGE", "too many values", JsonToken::Bracket);
    open_.push_back(place(std::move(container)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& file_;
  const std::string& text_;
  std::string prefix_;
  size_t done_ = 0;          // characters that the parser has read
  std::vector<Json*> open_;  // containers under way, outermost first
  Json* slot_ = nullptr;     // value of the last key
  uint64_t values_ = 0;
};

}  // namespace

rt::Result<nlohmann::json> parseStrictJson(const std::string& text, const std::string& file,
                                           const std::string& prefix) {
  if (text.starts_with("\xef\xbb\xbf"))
    return importError(prefix + "_JSON", {file, 0}, "starts with a byte order mark");
  StrictBuilder builder(file, text, prefix);
  builder.parse();
  if (!builder.status.isOk()) return std::move(builder.status);
  return std::move(builder.root);
}

}  // namespace llmc
