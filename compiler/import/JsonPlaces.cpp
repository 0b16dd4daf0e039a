// A second pass over the text that follows one path and stops at its end.
#include "compiler/import/JsonPlaces.h"

#include "compiler/import/JsonCursor.h"

namespace llmc {
namespace {

using Json = nlohmann::json;

class PathFinder : public nlohmann::json_sax<Json> {
 public:
  PathFinder(const std::string& text, const JsonPath& path) : text_(text), path_(path) {}

  bool null() override { return value(JsonToken::Word); }
  bool boolean(bool) override { return value(JsonToken::Word); }
  bool number_integer(number_integer_t) override { return value(JsonToken::Number); }
  bool number_unsigned(number_unsigned_t) override { return value(JsonToken::Number); }
  bool number_float(number_float_t, const string_t&) override { return value(JsonToken::Number); }
  bool string(string_t&) override { return value(JsonToken::String); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(false); }
  bool start_array(std::size_t) override { return open(true); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    key_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  size_t done = 0;
  int64_t found = -1;

 private:
  struct Frame {
    bool array, onPath;
    size_t next = 0;  // number of the next element
  };

  /// Whether the value that starts now lies on the path.
  bool onPath() {
    if (open_.empty()) return true;
    Frame& frame = open_.back();
    std::string name = frame.array ? std::to_string(frame.next++) : std::move(key_);
    return frame.onPath && open_.size() <= path_.size() && name == path_[open_.size() - 1];
  }
  bool value(JsonToken token) { return !arrived(onPath(), token); }
  bool arrived(bool on, JsonToken token) {
    if (!on || open_.size() != path_.size()) return false;
    found = static_cast<int64_t>(tokenStart(text_, done, token));
    return true;
  }
  bool open(bool array) {
    bool on = onPath();
    if (arrived(on, JsonToken::Bracket)) return false;
    open_.push_back({array, on});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& text_;
  const JsonPath& path_;
  std::vector<Frame> open_;
  std::string key_;
};

}  // namespace

int64_t JsonPlaces::offsetOf(const JsonPath& path) const {
  PathFinder finder(text_, path);
  parseWithCursor(text_, finder.done, &finder);
  return finder.found;
}

}  // namespace llmc
