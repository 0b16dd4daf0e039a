// Reads a GGUF header: magic, metadata, tensor table.
#include <algorithm>
#include <array>
#include <bit>
#include <unordered_set>

#include "compiler/import/Gguf.h"
#include "compiler/import/GgufStream.h"
#include "compiler/import/GgufTensorTable.h"
#include "runtime/base/checked.h"

namespace llmc {
namespace {

using rt::Status;
namespace limits = rt::limits;

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr std::array<uint8_t, 13> kScalarBytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
// Smallest encodings: key length + 1 byte + type + 1 byte value; name length + 1 byte + dims count + 1 dim + type +
// offset.
constexpr uint64_t kMinKeyValueBytes = 8 + 1 + 4 + 1, kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

Status readType(GgufStream& in, GgufType& type) {
  Place place = in.here();
  uint32_t number = 0;
  LLMC_TRY(in.number(number));
  if (number >= kScalarBytes.size())
    return importError("GG_TYPE", place, "unknown value type " + std::to_string(number));
  type = static_cast<GgufType>(number);
  return Status::ok();
}

uint64_t signExtended(uint64_t bits, GgufType type) {
  switch (type) {
    case GgufType::I8:
      return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(bits)));
    case GgufType::I16:
      return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int16_t>(bits)));
    case GgufType::I32:
      return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(bits)));
    default:
      return bits;
  }
}

Status readScalar(GgufStream& in, GgufValue& value) {
  Place place = in.here();
  LLMC_TRY(in.bytes(&value.bits, kScalarBytes[static_cast<size_t>(value.type)]));
  if (value.type == GgufType::Bool && value.bits > 1)
    return importError("GG_TYPE", place, "a bool that is neither 0 nor 1");
  value.bits = signExtended(value.bits, value.type);
  return Status::ok();
}

/// Reads an array's elements into `value`, or only checks and drops them when `keep` is false (inside another array).
Status readArray(GgufStream& in, GgufValue& value, uint32_t depth, bool keep) {
  if (depth > limits::kGgufArrayDepth) return importError("GG_TYPE", in.here(), "arrays nested more than 4 deep");
  LLMC_TRY(readType(in, value.element));
  Place place = in.here();
  LLMC_TRY(in.number(value.count));
  bool string = value.element == GgufType::String, nested = value.element == GgufType::Array;
  uint64_t unit = string ? 8 : nested ? 12 : kScalarBytes[static_cast<size_t>(value.element)];
  auto size = rt::checkedMul(value.count, unit);
  if (!size || value.count > limits::kGgufArrayElements)
    return importError("GG_ARRAY", place, "an array of " + std::to_string(value.count) + " elements");
  if (*size > in.remaining())
    return importError("GG_TRUNCATED", place,
                       "an array of " + std::to_string(value.count) + " elements does not fit in the rest of the file",
                       "the download may be incomplete");
  if (nested || string) {
    for (uint64_t i = 0; i < value.count; ++i) {
      if (nested) {
        GgufValue inner;
        LLMC_TRY(readArray(in, inner, depth + 1, false));
        continue;
      }
      std::string text;
      LLMC_TRY(in.string(text, limits::kGgufStringBytes, "GG_LIMIT"));
      if (keep) value.strings.push_back(std::move(text));
    }
    return Status::ok();
  }
  std::vector<std::byte> raw(static_cast<size_t>(*size));
  LLMC_TRY(in.bytes(raw.data(), *size));
  if (value.element == GgufType::Bool &&
      std::any_of(raw.begin(), raw.end(), [](std::byte b) { return b > std::byte{1}; }))
    return importError("GG_TYPE", place, "a bool that is neither 0 nor 1");
  if (keep) value.raw = std::move(raw);
  return Status::ok();
}

Status readKeyValue(GgufStream& in, GgufFile& gguf) {
  Place place = in.here();
  std::string key;
  LLMC_TRY(in.string(key, limits::kGgufKeyBytes, "GG_KEY"));
  bool printable = std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  place.object = key;
  if (key.empty() || !printable) return importError("GG_KEY", place, "a key is empty or not printable ASCII");
  GgufValue value;
  LLMC_TRY(readType(in, value.type));
  value.offset = in.offset();
  if (value.type == GgufType::String) {
    LLMC_TRY(in.string(value.text, limits::kGgufStringBytes, "GG_LIMIT"));
  } else if (value.type == GgufType::Array) {
    LLMC_TRY(readArray(in, value, 1, true));
  } else {
    LLMC_TRY(readScalar(in, value));
  }
  if (!gguf.metadata.emplace(key, std::move(value)).second) return importError("GG_DUP", place, "key appears twice");
  return Status::ok();
}

/// Too many for a file of any size, or, before anything is allocated for them, for one of this size.
Status checkCount(const GgufStream& in, const Place& place, uint64_t count, uint64_t most, uint64_t leastBytes,
                  const std::string& what) {
  const std::string found = std::to_string(count) + " " + what;
  if (count > most)
    return importError("GG_COUNT", place,
                       found + " cannot be in a file; at most " + std::to_string(most) + " are read");
  if (count > in.remaining() / leastBytes)
    return importError("GG_TRUNCATED", place,
                       found + " do not fit in the " + std::to_string(in.remaining()) + " bytes that follow",
                       "the download may be incomplete");
  return Status::ok();
}

struct Counts {
  uint64_t tensors = 0, keys = 0;
};

Status readStart(GgufStream& in, GgufFile& gguf, Counts& counts) {
  uint32_t magic = 0;
  if (in.remaining() < 4) return importError("GG_MAGIC", in.here(), "not a GGUF file");
  LLMC_TRY(in.number(magic));
  if (magic == __builtin_bswap32(kMagic))
    return importError("GG_ENDIAN", in.here(), "a big-endian GGUF", "convert it with gguf-py's gguf_convert_endian");
  if (magic != kMagic) return importError("GG_MAGIC", {in.here().file, 0}, "not a GGUF file");
  LLMC_TRY(in.number(gguf.version));
  if (gguf.version != 0 && (gguf.version & 0xffff) == 0)
    return importError("GG_ENDIAN", {in.here().file, 4}, "a big-endian GGUF",
                       "convert it with gguf-py's gguf_convert_endian");
  if (gguf.version != 2 && gguf.version != 3)
    return importError("GG_VERSION", {in.here().file, 4}, "GGUF version " + std::to_string(gguf.version),
                       "versions 2 and 3 are supported");
  LLMC_TRY(in.number(counts.tensors));
  LLMC_TRY(in.number(counts.keys));
  LLMC_TRY(checkCount(in, {in.here().file, 8}, counts.tensors, limits::kTensors, kMinTensorBytes, "tensors"));
  LLMC_TRY(checkCount(in, {in.here().file, 16}, counts.keys, limits::kGgufKeys, kMinKeyValueBytes, "metadata keys"));
  return Status::ok();
}

rt::Result<uint64_t> alignmentOf(const GgufFile& gguf) {
  const GgufValue* value = gguf.find("general.alignment");
  if (!value) return uint64_t{32};
  bool valid = value->type == GgufType::U32 && value->bits % 8 == 0 && std::has_single_bit(value->bits) &&
               value->bits <= limits::kGgufAlignment;
  if (!valid)
    return importError("GG_ALIGN", {gguf.file->name(), static_cast<int64_t>(value->offset), "general.alignment"},
                       "must be a u32 power of two from 8 to 1048576");
  return value->bits;
}

Status checkSplit(const GgufFile& gguf) {
  const GgufValue* count = gguf.find("split.count");
  if (!count) return Status::ok();
  auto parts = count->integer();
  if (parts && (*parts == 0 || *parts == 1)) return Status::ok();
  return importError("GG_SPLIT", {gguf.file->name(), static_cast<int64_t>(count->offset), "split.count"},
                     "the model is split over several files", "join them with `llama-gguf-split --merge`");
}

}  // namespace

rt::Result<GgufFile> readGguf(std::shared_ptr<const SourceFile> file) {
  GgufFile gguf;
  gguf.file = std::move(file);
  GgufStream in(*gguf.file);
  Counts counts;
  LLMC_TRY(readStart(in, gguf, counts));
  for (uint64_t i = 0; i < counts.keys; ++i) LLMC_TRY(readKeyValue(in, gguf));
  LLMC_TRY(checkSplit(gguf));
  auto alignment = alignmentOf(gguf);
  if (!alignment) return alignment.takeStatus();
  LLMC_TRY(readGgufTensorTable(in, counts.tensors, *alignment, gguf));
  return gguf;
}

std::optional<int64_t> GgufValue::integer() const {
  switch (type) {
    case GgufType::U8:
    case GgufType::I8:
    case GgufType::U16:
    case GgufType::I16:
    case GgufType::U32:
    case GgufType::I32:
    case GgufType::I64:
      return static_cast<int64_t>(bits);
    case GgufType::U64:
      return rt::checkedCast<int64_t>(bits);
    default:
      return std::nullopt;
  }
}

std::optional<double> GgufValue::real() const {
  if (type == GgufType::F32) return std::bit_cast<float>(static_cast<uint32_t>(bits));
  if (type == GgufType::F64) return std::bit_cast<double>(bits);
  return std::nullopt;
}

int32_t GgufValue::int32At(size_t i) const {
  int32_t value;
  std::memcpy(&value, raw.data() + 4 * i, 4);
  return value;
}

float GgufValue::floatAt(size_t i) const {
  float value;
  std::memcpy(&value, raw.data() + 4 * i, 4);
  return value;
}

}  // namespace llmc
