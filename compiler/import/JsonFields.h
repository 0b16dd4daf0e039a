// Typed access to the fields of a JSON object from a model file: wrong types are errors, null counts as absent.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "compiler/import/JsonPlaces.h"

namespace llmc {

class JsonFields {
 public:
  /// `inside`: key of the outermost object under which `object` stands; empty: it is the outermost.
  JsonFields(const nlohmann::json& object, const JsonPlaces& places, std::string inside = "")
      : object_(object), places_(places), inside_(std::move(inside)) {}

  /// The field's value, or null when it is absent or null.
  const nlohmann::json* find(const char* key) const {
    auto it = object_.find(key);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }

  /// Each of these leaves `value` alone when the field is absent.
  rt::Status integer(const char* key, int64_t& value, bool required = false) const {
    const nlohmann::json* field = find(key);
    if (!field) return absent(key, required);
    bool fits = field->is_number_integer() && !(field->is_number_unsigned() && field->get<uint64_t>() > INT64_MAX);
    if (!fits) return wrong(key, "an integer");
    value = field->get<int64_t>();
    return rt::Status::ok();
  }
  rt::Status real(const char* key, double& value, bool required = false) const {
    const nlohmann::json* field = find(key);
    if (!field) return absent(key, required);
    if (!field->is_number()) return wrong(key, "a number");
    value = field->get<double>();
    return rt::Status::ok();
  }
  rt::Status boolean(const char* key, bool& value) const {
    const nlohmann::json* field = find(key);
    if (!field) return rt::Status::ok();
    if (!field->is_boolean()) return wrong(key, "true or false");
    value = field->get<bool>();
    return rt::Status::ok();
  }
  rt::Status text(const char* key, std::string& value) const {
    const nlohmann::json* field = find(key);
    if (!field) return rt::Status::ok();
    if (!field->is_string()) return wrong(key, "a string");
    value = field->get<std::string>();
    return rt::Status::ok();
  }
  /// One id or an array of ids.
  rt::Status ids(const char* key, std::vector<int64_t>& value) const {
    const nlohmann::json* field = find(key);
    if (!field) return rt::Status::ok();
    std::vector<int64_t> found;
    auto add = [&](const nlohmann::json& id) {
      // A negative one is a number all the same: that no vocabulary has it is for validateConfig to say.
      bool valid = id.is_number_integer() && (!id.is_number_unsigned() || id.get<uint64_t>() <= INT32_MAX);
      if (valid) found.push_back(id.get<int64_t>());
      return valid;
    };
    bool valid = true;
    if (field->is_array()) {
      for (const auto& id : *field) valid = valid && add(id);
    } else {
      valid = add(*field);
    }
    if (!valid || found.size() > 256) return wrong(key, "a token id or an array of at most 256");
    value = std::move(found);
    return rt::Status::ok();
  }

  rt::Status wrong(const char* key, const std::string& wanted) const {
    return importError("CF_TYPE", place(key), "must be " + wanted);
  }
  /// Of the field's value.
  Place place(const char* key) const {
    return places_.at(inside_.empty() ? JsonPath{key} : JsonPath{inside_, key}, key);
  }

 private:
  rt::Status absent(const char* key, bool required) const {
    if (!required) return rt::Status::ok();
    // Where it would have to be: at the start of its object.
    return importError("CF_MISSING",
                       {places_.file(), places_.offsetOf(inside_.empty() ? JsonPath{} : JsonPath{inside_}), key},
                       "required field is missing");
  }

  const nlohmann::json& object_;
  const JsonPlaces& places_;
  std::string inside_;
};

}  // namespace llmc
