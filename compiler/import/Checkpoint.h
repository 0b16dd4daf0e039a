// The tensors of a model file or of a set of shards, under their canonical (Hugging Face) names, with bounded-memory
// row access.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "compiler/import/SourceFile.h"
#include "compiler/import/StorageType.h"
#include "runtime/base/status.h"

namespace llmc {

/// Where one tensor lies. Ranges, sizes and shapes are checked against the file before a TensorInfo exists.
struct TensorInfo {
  std::string name;        ///< canonical HF name, e.g. model.layers.0.self_attn.q_proj.weight
  std::string sourceName;  ///< name in the file, e.g. blk.0.attn_q.weight
  StorageType type = StorageType::F32;
  std::vector<int64_t> shape;  ///< outermost first: [N, K] for a matrix, [N] for a vector
  uint32_t file = 0;           ///< index into Checkpoint::files()
  uint64_t offset = 0;         ///< of the first byte in that file
  uint64_t bytes = 0;
  /// Rows of each head are in GGUF's llama order (h, i, half) instead of HF's (h, half, i): ask the row functions to
  /// un-interleave.
  bool ropeInterleaved = false;

  /// Rows: product of all dimensions but the last; a vector [N] counts as N rows of one value.
  int64_t rows() const;
  /// Values of one row.
  int64_t rowLength() const;
  /// Bytes of one row.
  int64_t rowBytes() const { return rowLength() / blockLength(type) * blockBytes(type); }
};

/// A tensor that the file holds but that no part of the compiler can read (an integer or fp8 tensor, say).
struct UnreadableTensor {
  std::string name;
  std::string type;
  int64_t at = -1;    ///< byte of its name in the file
  uint32_t file = 0;  ///< index in Checkpoint::files()
};

/// Read access to the tensors. Const functions may be called from several threads.
class Checkpoint {
 public:
  Checkpoint(std::vector<std::shared_ptr<const SourceFile>> files, std::vector<TensorInfo> tensors,
             std::vector<UnreadableTensor> unreadable = {});

  /// The tensor called `name` (canonical), or null.
  const TensorInfo* lookup(std::string_view name) const;
  /// All readable tensors, in file order.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const std::vector<UnreadableTensor>& unreadable() const { return unreadable_; }
  const std::vector<std::shared_ptr<const SourceFile>>& files() const { return files_; }

  /// Reads out.size() bytes of the tensor from byte `offset` of it, as stored.
  rt::Status read(const TensorInfo& tensor, uint64_t offset, std::span<std::byte> out) const;

  /// Expands rows [row0, row0 + rows) to float, out = [rows][rowLength]. unpermuteHeads = H > 0 gives the rows in HF's
  /// order when the file has GGUF's llama order: the tensor has H heads of D rows, and row (h, half, i) is taken from
  /// stored row (h, i, half). A value that is not finite gives W_NONFINITE unless allowNonFinite was set.
  rt::Status rowsToFloat(const TensorInfo& tensor, int64_t row0, int64_t rows, float* out,
                         int64_t unpermuteHeads = 0) const;

  /// The same rows as stored blocks, out = [rows][rowBytes]: for exact repacking without a detour through float.
  rt::Status rowsRaw(const TensorInfo& tensor, int64_t row0, int64_t rows, std::byte* out,
                     int64_t unpermuteHeads = 0) const;

  /// Lets NaN and infinite weights (or block scales) through the row functions.
  void allowNonFinite(bool allow) { allowNonFinite_ = allow; }

 private:
  rt::Status readUnpermuted(const TensorInfo& tensor, int64_t row0, int64_t rows, std::byte* out, int64_t heads) const;

  std::vector<std::shared_ptr<const SourceFile>> files_;
  std::vector<TensorInfo> tensors_;
  std::vector<UnreadableTensor> unreadable_;
  std::unordered_map<std::string_view, size_t> byName_;  // views into tensors_
  bool allowNonFinite_ = false;
};

}  // namespace llmc
