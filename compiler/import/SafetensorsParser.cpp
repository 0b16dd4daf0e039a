// State machine over the header's JSON events.
#include "compiler/import/SafetensorsParser.h"

#include <algorithm>

#include "runtime/base/limits.h"

namespace llmc {

namespace limits = rt::limits;

bool SafetensorsParser::fail(const char* code, std::string_view reason, JsonToken token) {
  auto at = base_ + static_cast<int64_t>(tokenStart(text_, done_, token));
  if (status.isOk()) status = importError(code, {file_, at, name_}, reason);
  return false;
}

bool SafetensorsParser::unexpected(const char* what, JsonToken token) {
  if (metadata_) return fail("ST_META", std::string("metadata may only hold strings, not ") + what, token);
  if (field_ == Field::Dtype) return fail("ST_DTYPE", std::string("dtype must be a string, not ") + what, token);
  if (field_ == Field::Offsets)
    return fail("ST_OFFSET", std::string("a data offset must be a whole number, not ") + what, token);
  if (field_ == Field::Shape)
    return fail("ST_SHAPE", std::string("a dimension must be a whole number, not ") + what, token);
  return fail("ST_JSON", std::string("an object was expected, not ") + what, token);
}

bool SafetensorsParser::number_unsigned(number_unsigned_t value) {
  if (depth_ == 3 && field_ == Field::Shape) {
    if (entries.back().shape.size() >= limits::kTensorRank)
      return fail("ST_RANK", "more than 8 dimensions", JsonToken::Number);
    entries.back().shape.push_back(value);
    return true;
  }
  if (depth_ == 3 && field_ == Field::Offsets) {
    if (offsetCount_ == 2) return fail("ST_OFFSET", "data_offsets has more than two numbers", JsonToken::Number);
    offsets_[offsetCount_++] = value;
    return true;
  }
  return badNumber("a number");
}

bool SafetensorsParser::string(string_t& value) {
  if (metadata_ && depth_ == 2) {
    metadataBytes_ += value.size();
    return metadataBytes_ <= limits::kSafetensorsMetadataBytes ||
           fail("ST_META", "metadata is larger than 8 MiB", JsonToken::String);
  }
  if (depth_ == 2 && field_ == Field::Dtype) {
    entries.back().dtype = std::move(value);
    return true;
  }
  return unexpected("a string", JsonToken::String);
}

bool SafetensorsParser::start_object(std::size_t) {
  if (depth_ >= 3) return fail("ST_DEPTH", "nested deeper than a header can be", JsonToken::Bracket);
  if (depth_ == 2)
    return metadata_ ? fail("ST_META", "metadata may only hold strings, not an object", JsonToken::Bracket)
                     : fail("ST_DEPTH", "an object where a field's value was expected", JsonToken::Bracket);
  ++depth_;
  if (depth_ == 2 && !metadata_) {
    entries.push_back({name_, {}, {}, 0, 0, nameAt_});
    seen_ = 0;
    offsetCount_ = 0;
    field_ = Field::None;
  }
  return true;
}

bool SafetensorsParser::end_object() {
  if (depth_ == 2 && !metadata_) {
    if (seen_ != 0b1110) return fail("ST_JSON", "needs dtype, shape and data_offsets", JsonToken::Bracket);
    if (offsetCount_ != 2) return fail("ST_OFFSET", "data_offsets needs two numbers", JsonToken::Bracket);
    entries.back().begin = offsets_[0];
    entries.back().end = offsets_[1];
    field_ = Field::None;
  }
  if (depth_ == 2) metadata_ = false;
  --depth_;
  return true;
}

bool SafetensorsParser::start_array(std::size_t) {
  if (metadata_) return fail("ST_META", "metadata may only hold strings, not an array", JsonToken::Bracket);
  if (depth_ >= 3) return fail("ST_DEPTH", "nested deeper than a header can be", JsonToken::Bracket);
  bool expected = depth_ == 2 && (field_ == Field::Shape || field_ == Field::Offsets);
  if (!expected) return unexpected("an array", JsonToken::Bracket);
  ++depth_;
  return true;
}

bool SafetensorsParser::end_array() {
  --depth_;
  return true;
}

bool SafetensorsParser::nameAllowed(const std::string& name) {
  if (name.size() > limits::kTensorNameBytes)
    return fail("ST_NAME", "a tensor name is longer than 512 bytes", JsonToken::String);
  bool control =
      std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '\\'; });
  bool pathLike = name.starts_with("/") || name.find("../") != std::string::npos || name == "..";
  if (name.empty() || control || pathLike)
    return fail("ST_NAME", "a tensor name is empty, has control characters or looks like a path", JsonToken::String);
  return true;
}

bool SafetensorsParser::key(string_t& value) {
  if (depth_ == 1) {
    name_ = value.substr(0, limits::kTensorNameBytes + 1);
    nameAt_ = base_ + static_cast<int64_t>(tokenStart(text_, done_, JsonToken::String));
    if (!names_.insert(value).second) return fail("ST_DUP", "appears twice", JsonToken::String);
    if (names_.size() > limits::kTensors) return fail("ST_TOO_MANY", "more than 200000 tensors", JsonToken::String);
    metadata_ = value == "__metadata__";
    return metadata_ || nameAllowed(value);
  }
  if (metadata_) {
    metadataBytes_ += value.size() + 64;  // 64: what remembering the key takes
    if (metadataBytes_ > limits::kSafetensorsMetadataBytes)
      return fail("ST_META", "metadata is larger than 8 MiB", JsonToken::String);
    return metadataKeys_.insert(value).second || fail("ST_DUP", "a metadata key appears twice", JsonToken::String);
  }
  field_ = value == "dtype"          ? Field::Dtype
           : value == "shape"        ? Field::Shape
           : value == "data_offsets" ? Field::Offsets
                                     : Field::None;
  if (field_ == Field::None)
    return fail("ST_JSON", "has a field that is not dtype, shape or data_offsets", JsonToken::String);
  unsigned bit = 1u << static_cast<unsigned>(field_);
  if (seen_ & bit) return fail("ST_DUP", "a field appears twice", JsonToken::String);
  seen_ |= bit;
  return true;
}

bool SafetensorsParser::parse_error(std::size_t position, const std::string&,
                                    const nlohmann::detail::exception& error) {
  // 406: a number too large for a double.
  if (error.id == 406) return badNumber("a number that is out of range");
  auto at = base_ + static_cast<int64_t>(position) - (position > 0);  // counted from 1
  if (status.isOk()) status = importError("ST_JSON", {file_, at, name_}, "the header is not valid JSON");
  return false;
}

}  // namespace llmc
