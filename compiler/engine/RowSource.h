// What weight packing asks of a checkpoint: rows of named tensors, as they are stored.
#pragma once

#include "compiler/import/StorageType.h"
#include "runtime/base/status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace llmc {

class Checkpoint;

/// Bytes of one stored row of `cols` values.
inline int64_t storedRowBytes(StorageType type, int64_t cols) { return cols / blockLength(type) * blockBytes(type); }

/// A block of a tensor as its file has it.
struct StoredPlace {
  std::string where;  ///< "file: byte N: 'name'", the block's first byte; empty when no file holds the tensor
  int64_t row = 0;    ///< in the file's order
};

/// One tensor; a vector [N] has N rows of one value. Reads may come from several threads at once.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual int64_t rows() const = 0;
  virtual int64_t cols() const = 0;
  virtual StorageType storage() const = 0;
  /// Where block `block` of row `row` lies, rows counted as read() does, for messages.
  virtual StoredPlace place(int64_t row, int64_t block, int64_t unpermuteHeads) const;
  /// Rows [row0, row0 + n) as stored, out = [n][storedRowBytes]. unpermuteHeads = H > 0: the tensor is stored in GGUF's
  /// llama order (head, i, half) over H heads and is asked for in the order (head, half, i).
  virtual rt::Status read(int64_t row0, int64_t n, int64_t unpermuteHeads, std::byte* out) const = 0;
};

/// Opens tensors by their canonical name.
class RowSources {
 public:
  virtual ~RowSources() = default;
  virtual rt::Result<std::unique_ptr<RowSource>> open(const std::string& tensor) const = 0;
};

/// The tensors of an imported model. `checkpoint` outlives it.
class CheckpointRows : public RowSources {
 public:
  explicit CheckpointRows(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}
  rt::Result<std::unique_ptr<RowSource>> open(const std::string& tensor) const override;

 private:
  const Checkpoint& checkpoint_;
};

}  // namespace llmc
