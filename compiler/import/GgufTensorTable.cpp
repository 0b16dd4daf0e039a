// Checks of a GGUF's tensor table: names, shapes, types, and where the data lies.
#include "compiler/import/GgufTensorTable.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "runtime/base/checked.h"

namespace llmc {
namespace {

using rt::Status;
namespace limits = rt::limits;

/// GGUF's name table; a null entry is a number that was never given out or was withdrawn.
constexpr std::array<const char*, 40> kTypeNames = {
    "F32",    "F16",   "Q4_0",  "Q4_1",   nullptr, nullptr, "Q5_0",    "Q5_1",   "Q8_0",    "Q8_1",
    "Q2_K",   "Q3_K",  "Q4_K",  "Q5_K",   "Q6_K",  "Q8_K",  "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S",
    "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",    "I16",   "I32",     "I64",    "F64",     "IQ1_M",
    "BF16",   nullptr, nullptr, nullptr,  "TQ1_0", "TQ2_0", nullptr,   nullptr,  nullptr,   "MXFP4"};

std::optional<StorageType> storageOf(uint32_t number) {
  switch (number) {
    case 0:
      return StorageType::F32;
    case 1:
      return StorageType::F16;
    case 2:
      return StorageType::Q4_0;
    case 3:
      return StorageType::Q4_1;
    case 6:
      return StorageType::Q5_0;
    case 7:
      return StorageType::Q5_1;
    case 8:
      return StorageType::Q8_0;
    case 12:
      return StorageType::Q4_K;
    case 13:
      return StorageType::Q5_K;
    case 14:
      return StorageType::Q6_K;
    case 30:
      return StorageType::BF16;
    default:
      return std::nullopt;
  }
}

Status readShape(GgufStream& in, GgufTensor& tensor) {
  Place place = in.here(tensor.name);
  uint32_t rank = 0;
  LLMC_TRY(in.number(rank));
  if (rank == 0 || rank > 4)
    return importError("GG_SHAPE", place, std::to_string(rank) + " dimensions; 1 to 4 are possible");
  for (uint32_t i = 0; i < rank; ++i) {
    place = in.here(tensor.name);
    uint64_t dimension = 0;
    LLMC_TRY(in.number(dimension));
    if (dimension == 0 || dimension > limits::kTensorDimension)
      return importError("GG_SHAPE", place, "dimension " + std::to_string(dimension) + " is out of range");
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(dimension));
  }
  return Status::ok();
}

Status readType(GgufStream& in, GgufTensor& tensor) {
  Place place = in.here(tensor.name);
  uint32_t number = 0;
  LLMC_TRY(in.number(number));
  auto type = storageOf(number);
  if (!type) {
    const char* name = number < kTypeNames.size() ? kTypeNames[number] : nullptr;
    std::string reason = name ? std::string("tensor type ") + name + " is not supported"
                              : "unknown tensor type " + std::to_string(number);
    return importError("GG_DTYPE", place, reason,
                       "supported are " + std::string(storageTypeList()) + "; requantize with llama-quantize");
  }
  tensor.type = *type;
  return Status::ok();
}

/// Bytes of the tensor from shape and type.
Status measure(const Place& place, GgufTensor& tensor) {
  if (tensor.shape.back() % blockLength(tensor.type) != 0)
    return importError("GG_BLOCK", place,
                       "rows of " + std::to_string(tensor.shape.back()) + " values are not whole " +
                           std::string(storageTypeName(tensor.type)) + " blocks");
  uint64_t blocks = static_cast<uint64_t>(tensor.shape.back() / blockLength(tensor.type));
  std::optional<uint64_t> bytes = blocks;
  for (size_t i = 0; bytes && i + 1 < tensor.shape.size(); ++i)
    bytes = rt::checkedMul(*bytes, static_cast<uint64_t>(tensor.shape[i]));
  if (bytes) bytes = rt::checkedMul(*bytes, static_cast<uint64_t>(blockBytes(tensor.type)));
  if (!bytes || *bytes > static_cast<uint64_t>(INT64_MAX))
    return importError("GG_SHAPE", place, "the size in bytes does not fit 63 bits");
  tensor.bytes = *bytes;
  return Status::ok();
}

Status readTensor(GgufStream& in, uint64_t alignment, GgufTensor& tensor) {
  Place place = in.here();
  LLMC_TRY(in.string(tensor.name, 63, "GG_NAME"));
  place.object = tensor.name;
  bool printable = std::all_of(tensor.name.begin(), tensor.name.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (tensor.name.empty() || !printable)
    return importError("GG_NAME", place, "a tensor name is empty or not printable ASCII");
  LLMC_TRY(readShape(in, tensor));
  LLMC_TRY(readType(in, tensor));
  LLMC_TRY(measure(place, tensor));
  place.offset = static_cast<int64_t>(in.offset());
  LLMC_TRY(in.number(tensor.offset));
  if (tensor.offset % alignment != 0)
    return importError(
        "GG_OFFSET", place,
        "data offset " + std::to_string(tensor.offset) + " is not a multiple of " + std::to_string(alignment));
  return Status::ok();
}

/// Turns data offsets into file offsets: the tensors must follow each other, padded to the alignment, up to the end of
/// the file.
Status placeTensors(uint64_t metadataEnd, uint64_t alignment, GgufFile& gguf) {
  const std::string& file = gguf.file->name();
  uint64_t size = gguf.file->size();
  auto dataStart = rt::checkedRoundUp(metadataEnd, alignment);
  std::optional<uint64_t> total = 0;
  for (const GgufTensor& tensor : gguf.tensors) {
    auto padded = rt::checkedRoundUp(tensor.bytes, alignment);
    total = padded ? rt::checkedAdd(*total, *padded) : std::nullopt;
    if (!total)
      return importError("GG_SHAPE", {file, static_cast<int64_t>(tensor.entry), tensor.name},
                         "the sum of the tensor sizes does not fit 64 bits");
  }
  if (!dataStart)
    return importError("GG_ALIGN", {file, static_cast<int64_t>(metadataEnd)}, "data start does not fit 64 bits");
  std::sort(gguf.tensors.begin(), gguf.tensors.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
  uint64_t expected = 0;  // offset of the next tensor, from dataStart
  uint64_t end = *dataStart;
  for (GgufTensor& tensor : gguf.tensors) {
    Place place{file, static_cast<int64_t>(tensor.entry), tensor.name};
    if (tensor.offset != expected)
      return importError("GG_OFFSET", place,
                         "data offset is " + std::to_string(tensor.offset) + " where " + std::to_string(expected) +
                             " follows from the tensors before");
    auto start = rt::checkedAdd(*dataStart, tensor.offset);
    if (!start || !rt::rangeInside(*start, tensor.bytes, size))
      return importError("GG_OFFSET", place,
                         "data of " + std::to_string(tensor.bytes) + " bytes ends past the end of the file",
                         "the download may be incomplete");
    expected += *rt::checkedRoundUp(tensor.bytes, alignment);  // cannot wrap: the sum of all was checked
    end = *start + tensor.bytes;
    tensor.offset = *start;
  }
  auto padded = rt::checkedRoundUp(end, alignment);
  if (!padded || size > *padded)
    return importError("GG_TRAILING", {file, static_cast<int64_t>(end)},
                       std::to_string(size - end) + " bytes follow the last tensor");
  return Status::ok();
}

}  // namespace

Status readGgufTensorTable(GgufStream& in, uint64_t count, uint64_t alignment, GgufFile& gguf) {
  std::unordered_set<std::string> names;
  for (uint64_t i = 0; i < count; ++i) {
    GgufTensor tensor;
    Place place = in.here();
    tensor.entry = in.offset();
    LLMC_TRY(readTensor(in, alignment, tensor));
    place.object = tensor.name;
    if (!names.insert(tensor.name).second) return importError("GG_DUP", place, "tensor appears twice");
    gguf.tensors.push_back(std::move(tensor));
  }
  return placeTensors(in.offset(), alignment, gguf);
}

}  // namespace llmc
