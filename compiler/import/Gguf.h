// GGUF files (version 2 and 3, little endian): metadata values and tensor table, with every number checked before it is
// used.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/import/SourceFile.h"
#include "compiler/import/StorageType.h"
#include "runtime/base/status.h"

namespace llmc {

/// Byte of the first metadata key: the place of keys that are missing.
inline constexpr int64_t kGgufMetadataStart = 24;

enum class GgufType : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };

/// One metadata value. An array keeps strings in `strings`, anything else as stored bytes in `raw`; arrays of arrays
/// are checked and dropped.
struct GgufValue {
  GgufType type = GgufType::U8;
  GgufType element = GgufType::U8;  ///< Array: type of the elements
  uint64_t offset = 0;              ///< of the value in the file
  uint64_t bits = 0;                ///< scalar, as stored, zero-extended; sign-extended for I8, I16, I32
  uint64_t count = 0;               ///< Array: elements
  std::string text;
  std::vector<std::string> strings;
  std::vector<std::byte> raw;

  bool isArrayOf(GgufType wanted) const { return type == GgufType::Array && element == wanted; }
  /// The value of an integer scalar that fits int64; nothing for other types.
  std::optional<int64_t> integer() const;
  /// The value of an F32 or F64 scalar.
  std::optional<double> real() const;
  /// Element i of an I32, U32 or F32 array. Requires: that type and i < count.
  int32_t int32At(size_t i) const;
  float floatAt(size_t i) const;
};

struct GgufTensor {
  std::string name;
  StorageType type = StorageType::F32;
  std::vector<int64_t> shape;  ///< outermost first (the file has them the other way round)
  uint64_t offset = 0;         ///< of the data in the file
  uint64_t bytes = 0;
  uint64_t entry = 0;  ///< of its line of the tensor table in the file
};

struct GgufFile {
  std::shared_ptr<const SourceFile> file;
  uint32_t version = 0;
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::vector<GgufTensor> tensors;  // in file order; ranges are aligned, contiguous and inside the file

  const GgufValue* find(std::string_view key) const {
    auto it = metadata.find(key);
    return it == metadata.end() ? nullptr : &it->second;
  }
};

/// Reads and checks everything before the tensor data (GG_* errors).
rt::Result<GgufFile> readGguf(std::shared_ptr<const SourceFile> file);

}  // namespace llmc
