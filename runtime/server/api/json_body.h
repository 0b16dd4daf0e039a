// A request's body as a tree, within limits on depth, values and keys, and its fields with a type and a range each.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/server/api/api_error.h"

namespace llmc::rt::server {

/// Keeps the order of keys: a chat template may print an object.
using Json = nlohmann::ordered_json;

/// Reads an object. Errors (400, invalid_json): not JSON, not UTF-8, no object, nested or large beyond the limits, a
/// key twice in one object. An object with too many keys inside a field: invalid_value of that field.
ApiFault parseBody(std::string_view text, Json& out);

/// Reads typed fields of one object; the first error is kept and makes all later calls do nothing. A field that is
/// absent or null leaves its variable alone.
class FieldReader {
 public:
  /// `object` must outlive this. `path` stands before names in errors ("stream_options.").
  explicit FieldReader(const Json& object, std::string path = {}) : object_(object), path_(std::move(path)) {}

  /// The field, or null when it is absent, null, or an error came before.
  const Json* find(const char* name) const;

  void boolean(const char* name, bool& out);
  /// An integer in [min, max]; 3.0 is one, 2.5 and "3" are not.
  template <typename T>
  void integer(const char* name, int64_t min, int64_t max, T& out) {
    if (auto value = readInteger(name, min, max)) out = static_cast<T>(*value);
  }
  /// A number in [min, max], or in (min, max] when `open`.
  void real(const char* name, double min, double max, double& out, bool open = false);
  void text(const char* name, uint64_t maxBytes, std::string& out);
  /// The same without control characters: it may be written into logs.
  void word(const char* name, uint64_t maxBytes, std::string& out);
  /// A list of at most `most` ids in [0, bound).
  void ids(const char* name, int64_t most, uint32_t bound, std::vector<int32_t>& out);
  /// A list of at most `most` texts of 1 to maxBytes bytes, or one text alone.
  void texts(const char* name, int64_t most, uint64_t maxBytes, std::vector<std::string>& out);

  /// Keeps `error` unless there is one already.
  void fail(ApiError error);
  const ApiFault& fault() const { return fault_; }
  const Json& object() const { return object_; }
  std::string fullName(const char* name) const { return path_ + name; }

 private:
  std::optional<int64_t> readInteger(const char* name, int64_t min, int64_t max);
  void wrong(const char* name, const std::string& expected);

  const Json& object_;
  std::string path_;
  ApiFault fault_;
};

/// `value` as an integer, if it is one.
std::optional<int64_t> asInteger(const Json& value);

/// The beginning of `value` as JSON, for messages.
std::string shown(const Json& value);

}  // namespace llmc::rt::server
