// nlohmann's event parser feeds a builder that can stop early; nothing here recurses into the input.
#include "runtime/server/api/json_body.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/base/limits.h"

namespace llmc::rt::server {
namespace {

/// Builds the tree from events and stops at the first breach of a limit.
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(Json& root) : root_(root) {}
  std::string why;
  std::string field;  ///< of the body, where only one is at fault

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return stop("binary value"); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    Json& object = *open_.back();
    if (open_.size() == 1) top_ = name;
    if (object.contains(name)) return stop("the key '" + escaped(name, 60) + "' comes twice in one object");
    if (object.size() >= limits::kRequestObjectKeys) {
      if (open_.size() > 1) field = top_;
      return stop("an object has more than " + std::to_string(limits::kRequestObjectKeys) + " keys");
    }
    next_ = &object[std::move(name)];
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    std::string_view said = error.what();
    said = said.substr(0, said.find("; last read"));  // what follows is the client's
    const auto says = [&](const char* words) { return said.find(words) != std::string_view::npos; };
    why = error.id == 406       ? "a number is too large"
          : says("ill-formed")  ? "it is not UTF-8 at byte "
          : says("surrogate U") ? "a \\u escape is half of a surrogate pair at byte "
                                : "not JSON at byte ";
    if (error.id == 406) return false;
    why += std::to_string(position);
    if (says("ill-formed")) why += "; encode it as UTF-8, or write other characters as \\u escapes";
    if (says("surrogate U")) why += "; write both halves, as in \\ud83d\\ude00, or \\ufffd in their place";
    return false;
  }

 private:
  bool stop(std::string text) {
    why = std::move(text);
    return false;
  }
  Json* place(Json value) {
    if (++values_ > limits::kRequestJsonValues) {
      stop("more than " + std::to_string(limits::kRequestJsonValues) + " values");
      return nullptr;
    }
    if (open_.empty()) return &(root_ = std::move(value));
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    return &(*next_ = std::move(value));
  }
  bool add(Json value) { return place(std::move(value)) != nullptr; }
  bool open(Json value) {
    if (open_.size() >= limits::kJsonDepth) return stop("nested deeper than " + std::to_string(limits::kJsonDepth));
    Json* placed = place(std::move(value));
    if (placed) open_.push_back(placed);
    return placed;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Json& root_;
  std::vector<Json*> open_;
  std::string top_;  ///< the body's field that is being read
  Json* next_ = nullptr;
  uint64_t values_ = 0;
};

std::string numberText(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

ApiFault parseBody(std::string_view text, Json& out) {
  Builder builder(out);
  const bool read = Json::sax_parse(text.begin(), text.end(), &builder);
  if (!read && !builder.field.empty())
    return invalidValue(builder.field, "'" + escaped(builder.field, 60) + "': " + builder.why);
  if (!read) return ApiError{400, "invalid_json", "the body cannot be read: " + builder.why, {}};
  // To nlohmann a NUL is the end of its text: what stands behind it would be read by others, and not here.
  if (const size_t end = text.find('\0'); end != std::string_view::npos)
    return ApiError{400, "invalid_json", "the body cannot be read: not JSON at byte " + std::to_string(end + 1), {}};
  if (!out.is_object()) return ApiError{400, "invalid_json", "the body must be a JSON object", {}};
  return std::nullopt;
}

std::optional<int64_t> asInteger(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    return number <= INT64_MAX ? std::optional<int64_t>(static_cast<int64_t>(number)) : std::nullopt;
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double number = value.get<double>();
  if (number != std::floor(number) || std::abs(number) > 9007199254740992.0) return std::nullopt;
  return static_cast<int64_t>(number);
}

const Json* FieldReader::find(const char* name) const {
  if (fault_) return nullptr;
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void FieldReader::fail(ApiError error) {
  if (!fault_) fault_ = std::move(error);
}

std::string shown(const Json& value) {
  std::string out = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return out.size() > 60 ? out.substr(0, 60) + "..." : out;
}

void FieldReader::wrong(const char* name, const std::string& expected) {
  fail(invalidValue(fullName(name), "'" + fullName(name) + "' must be " + expected + ", got " + shown(object_[name])));
}

void FieldReader::boolean(const char* name, bool& out) {
  const Json* value = find(name);
  if (!value) return;
  if (!value->is_boolean()) return wrong(name, "true or false");
  out = value->get<bool>();
}

std::optional<int64_t> FieldReader::readInteger(const char* name, int64_t min, int64_t max) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  const auto number = asInteger(*value);
  if (number && *number >= min && *number <= max) return number;
  wrong(name, "an integer in [" + std::to_string(min) + ", " + std::to_string(max) + "]");
  return std::nullopt;
}

void FieldReader::real(const char* name, double min, double max, double& out, bool open) {
  const Json* value = find(name);
  if (!value) return;
  const double number = value->is_number() ? value->get<double>() : std::nan("");
  if (!(number >= min && number <= max) || (open && number == min))
    return wrong(name, "a number in " + std::string(open ? "(" : "[") + numberText(min) + ", " + numberText(max) + "]");
  out = number;
}

void FieldReader::text(const char* name, uint64_t maxBytes, std::string& out) {
  const Json* value = find(name);
  if (!value) return;
  if (!value->is_string() || value->get_ref<const std::string&>().size() > maxBytes)
    return wrong(name, "a text of at most " + std::to_string(maxBytes) + " bytes");
  out = value->get<std::string>();
}

void FieldReader::word(const char* name, uint64_t maxBytes, std::string& out) {
  std::string value = out;
  text(name, maxBytes, value);
  if (std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return wrong(name, "a text without control characters");
  out = std::move(value);
}

void FieldReader::ids(const char* name, int64_t most, uint32_t bound, std::vector<int32_t>& out) {
  const Json* value = find(name);
  if (!value) return;
  const std::string expected =
      "a list of at most " + std::to_string(most) + " token ids below " + std::to_string(bound);
  if (!value->is_array() || value->size() > static_cast<size_t>(most)) return wrong(name, expected);
  for (const Json& entry : *value) {
    const auto id = asInteger(entry);
    if (!id || *id < 0 || *id >= bound) return wrong(name, expected);
    out.push_back(static_cast<int32_t>(*id));
  }
}

void FieldReader::texts(const char* name, int64_t most, uint64_t maxBytes, std::vector<std::string>& out) {
  const Json* value = find(name);
  if (!value) return;
  const auto fits = [&](const Json& entry) {
    return entry.is_string() && !entry.get_ref<const std::string&>().empty() &&
           entry.get_ref<const std::string&>().size() <= maxBytes;
  };
  const std::string expected =
      "at most " + std::to_string(most) + " texts of 1 to " + std::to_string(maxBytes) + " bytes each";
  if (fits(*value)) {
    out.push_back(value->get<std::string>());
    return;
  }
  if (!value->is_array() || value->size() > static_cast<size_t>(most)) return wrong(name, expected);
  for (const Json& entry : *value) {
    if (!fits(entry)) return wrong(name, expected);
    out.push_back(entry.get<std::string>());
  }
}

}  // namespace llmc::rt::server
