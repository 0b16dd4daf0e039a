// Checks of a safetensors file as a whole: length field, text, shapes, data ranges.
#include "compiler/import/Safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <tuple>

#include "compiler/import/SafetensorsParser.h"
#include "compiler/import/Utf8.h"
#include "runtime/base/checked.h"
#include "runtime/base/limits.h"

namespace llmc {
namespace {

using rt::Status;
namespace limits = rt::limits;

struct Dtype {
  std::string_view name;
  uint64_t bits;
  std::optional<StorageType> storage;
};

const std::array<Dtype, 22> kDtypes = {{
    {"F32", 32, StorageType::F32},
    {"F16", 16, StorageType::F16},
    {"BF16", 16, StorageType::BF16},
    {"BOOL", 8, {}},
    {"U8", 8, {}},
    {"I8", 8, {}},
    {"F8_E5M2", 8, {}},
    {"F8_E4M3", 8, {}},
    {"F8_E8M0", 8, {}},
    {"F8_E4M3FNUZ", 8, {}},
    {"F8_E5M2FNUZ", 8, {}},
    {"I16", 16, {}},
    {"U16", 16, {}},
    {"I32", 32, {}},
    {"U32", 32, {}},
    {"I64", 64, {}},
    {"U64", 64, {}},
    {"F64", 64, {}},
    {"C64", 64, {}},
    {"F4", 4, {}},
    {"F6_E2M3", 6, {}},
    {"F6_E3M2", 6, {}},
}};

const Dtype* findDtype(const std::string& name) {
  if (name.empty()) return nullptr;
  auto it = std::find_if(kDtypes.begin(), kDtypes.end(), [&](const Dtype& d) { return d.name == name; });
  return it == kDtypes.end() ? nullptr : &*it;
}

rt::Result<std::string> readHeaderText(const SourceFile& file) {
  const std::string& name = file.name();
  if (file.size() < 8)
    return importError("ST_SHORT", {name, 0},
                       "a file of " + std::to_string(file.size()) + " bytes is no safetensors file");
  uint64_t length = 0;
  LLMC_TRY(file.read(0, std::as_writable_bytes(std::span(&length, 1))));
  if (length > limits::kSafetensorsHeaderBytes)
    return importError("ST_HEADER_TOO_LARGE", {name, 0},
                       "a header of " + std::to_string(length) + " bytes; at most 100000000 are allowed");
  if (length > file.size() - 8)
    return importError("ST_TRUNCATED", {name, 0},
                       "a header of " + std::to_string(length) + " bytes does not fit in the file",
                       "the download may be incomplete");
  std::string text(static_cast<size_t>(length), '\0');
  LLMC_TRY(file.read(8, std::as_writable_bytes(std::span(text.data(), text.size()))));
  if (text.empty() || text[0] != '{')
    return importError("ST_HEADER_START", {name, 8}, "the header does not start with '{'");
  size_t bad = std::min(utf8ValidPrefix(text), text.find('\0'));
  if (bad < text.size())
    return importError("ST_UTF8", {name, static_cast<int64_t>(8 + bad)}, "the header is not UTF-8 text");
  return text;
}

/// Bytes of the entry's shape and dtype.
rt::Result<uint64_t> sizeOf(const Place& place, const SafetensorsEntry& entry, const Dtype& dtype) {
  std::optional<uint64_t> count = 1;
  for (uint64_t dimension : entry.shape) {
    if (dimension > limits::kTensorDimension) count.reset();
    if (count) count = rt::checkedMul(*count, dimension);
  }
  auto bits = count ? rt::checkedMul(*count, dtype.bits) : std::nullopt;
  if (!bits) return importError("ST_SHAPE_OVERFLOW", place, "the number of values or their size does not fit");
  if (*bits % 8 != 0) return importError("ST_SIZE", place, "the values do not end on a byte");
  return *bits / 8;
}

/// The entries must follow each other from 0 to the end of the data, which starts at `dataStart`.
Status checkRanges(const SourceFile& file, uint64_t dataStart, std::vector<SafetensorsEntry>& entries) {
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t dataBytes = file.size() - dataStart, expected = 0;
  const SafetensorsEntry* previous = nullptr;
  for (const SafetensorsEntry& entry : entries) {
    Place place{file.name(), entry.at, entry.name};
    if (entry.end > dataBytes)
      return importError(
          "ST_TRUNCATED", place,
          "ends at byte " + std::to_string(entry.end) + " of the data, which has " + std::to_string(dataBytes),
          "the download may be incomplete");
    if (entry.begin < expected)
      return importError("ST_OVERLAP", place,
                         "starts at byte " + std::to_string(entry.begin) + " of the data, '" +
                             rt::escaped(previous->name) + "' ends at " + std::to_string(expected));
    if (entry.begin > expected)
      return importError("ST_HOLE", place,
                         std::to_string(entry.begin - expected) + " bytes before it belong to no tensor");
    expected = entry.end;
    previous = &entry;
  }
  if (expected != dataBytes)
    return importError("ST_HOLE", {file.name(), static_cast<int64_t>(dataStart + expected)},
                       std::to_string(dataBytes - expected) + " bytes after the last tensor belong to no tensor");
  return Status::ok();
}

Status checkEntry(const std::string& file, const SafetensorsEntry& entry, const Dtype*& dtype) {
  Place place{file, entry.at, entry.name};
  dtype = findDtype(entry.dtype);
  if (!dtype) return importError("ST_DTYPE", place, "unknown dtype '" + rt::escaped(entry.dtype, 40) + "'");
  if (entry.begin > entry.end)
    return importError("ST_OFFSET", place,
                       "begins at " + std::to_string(entry.begin) + ", after its end at " + std::to_string(entry.end));
  auto bytes = sizeOf(place, entry, *dtype);
  if (!bytes) return bytes.takeStatus();
  if (*bytes != entry.end - entry.begin)
    return importError("ST_SIZE", place,
                       "shape and dtype need " + std::to_string(*bytes) + " bytes, data_offsets span " +
                           std::to_string(entry.end - entry.begin));
  return Status::ok();
}

}  // namespace

rt::Result<SafetensorsHeader> readSafetensors(const SourceFile& file) {
  auto text = readHeaderText(file);
  if (!text) return text.takeStatus();
  SafetensorsParser parser(file.name(), *text, 8);
  parser.parse();
  if (!parser.status.isOk()) return std::move(parser.status);
  uint64_t dataStart = 8 + text->size();
  const Dtype* dtype = nullptr;
  for (const SafetensorsEntry& entry : parser.entries) LLMC_TRY(checkEntry(file.name(), entry, dtype));
  LLMC_TRY(checkRanges(file, dataStart, parser.entries));
  SafetensorsHeader header;
  for (SafetensorsEntry& entry : parser.entries) {
    dtype = findDtype(entry.dtype);
    if (!dtype->storage) {
      header.unreadable.push_back({entry.name, entry.dtype, entry.at});
      continue;
    }
    TensorInfo tensor;
    tensor.name = tensor.sourceName = std::move(entry.name);
    tensor.type = *dtype->storage;
    tensor.shape.assign(entry.shape.begin(), entry.shape.end());
    tensor.offset = dataStart + entry.begin;
    tensor.bytes = entry.end - entry.begin;
    header.tensors.push_back(std::move(tensor));
  }
  return header;
}

}  // namespace llmc
