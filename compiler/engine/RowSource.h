// What weight packing asks of a checkpoint: rows of named tensors, as floats or as the blocks they are stored in.
#pragma once

#include "runtime/base/status.h"

#include <cstdint>
#include <memory>
#include <string>

namespace llmc {

/// How a tensor's rows are stored. Other: only readRowsF32 works.
///   Q4_0: blocks of 32 {f16 d; u8 qs[16]}       value = d * (q - 8), element t < 16 in the low nibble of qs[t]
///   Q4_1: blocks of 32 {f16 d; f16 m; u8 qs[16]} value = d * q + m
///   Q8_0: blocks of 32 {f16 d; i8 qs[32]}        value = d * q
enum class StorageType : uint8_t { F32, F16, BF16, Q4_0, Q4_1, Q8_0, Other };

/// Bytes of one stored row of `cols` elements; 0 for Other. Block types need cols % 32 == 0.
constexpr int64_t storedRowBytes(StorageType type, int64_t cols) {
  switch (type) {
    case StorageType::F32: return cols * 4;
    case StorageType::F16:
    case StorageType::BF16: return cols * 2;
    case StorageType::Q4_0: return cols / 32 * 18;
    case StorageType::Q4_1: return cols / 32 * 20;
    case StorageType::Q8_0: return cols / 32 * 34;
    case StorageType::Other: return 0;
  }
  return 0;
}

/// One 2-D tensor (1-D: rows() == 1). Reads may come from several threads at once.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual int64_t rows() const = 0;
  virtual int64_t cols() const = 0;
  virtual StorageType storage() const = 0;
  /// Rows [row0, row0 + n) as float [n][cols()].
  virtual rt::Status readRowsF32(int64_t row0, int64_t n, float* out) const = 0;
  /// The same rows as stored: n * storedRowBytes(storage(), cols()) bytes. Not called when storage() is Other.
  virtual rt::Status readRowBlocks(int64_t row0, int64_t n, void* out) const = 0;
};

/// Opens tensors by their name in the checkpoint.
class RowSources {
 public:
  virtual ~RowSources() = default;
  virtual rt::Result<std::unique_ptr<RowSource>> open(const std::string& tensor) const = 0;
};

}  // namespace llmc
