// Row access to tensors: reading, un-interleaving of rotary rows, expansion to float.
#include "compiler/import/Checkpoint.h"

#include <algorithm>
#include <cstring>

#include "compiler/import/ImportError.h"
#include "runtime/base/checked.h"

namespace llmc {
namespace {

/// Bytes held while rows are expanded: bounds memory whatever the tensor's size.
constexpr int64_t kChunkBytes = 4 << 20;

}  // namespace

int64_t TensorInfo::rows() const {
  if (shape.size() < 2) return shape.empty() ? 1 : shape[0];
  int64_t product = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) product *= shape[i];
  return product;
}

int64_t TensorInfo::rowLength() const { return shape.size() < 2 ? 1 : shape.back(); }

Checkpoint::Checkpoint(std::vector<std::shared_ptr<const SourceFile>> files, std::vector<TensorInfo> tensors,
                       std::vector<UnreadableTensor> unreadable)
    : files_(std::move(files)), tensors_(std::move(tensors)), unreadable_(std::move(unreadable)) {
  byName_.reserve(tensors_.size());
  for (size_t i = 0; i < tensors_.size(); ++i) byName_.emplace(tensors_[i].name, i);
}

const TensorInfo* Checkpoint::lookup(std::string_view name) const {
  auto it = byName_.find(name);
  return it == byName_.end() ? nullptr : &tensors_[it->second];
}

rt::Status Checkpoint::read(const TensorInfo& tensor, uint64_t offset, std::span<std::byte> out) const {
  if (tensor.file >= files_.size() || !rt::rangeInside(offset, out.size(), tensor.bytes))
    return rt::Status::error(rt::ErrorKind::kInternal, "IX_RANGE",
                             "read outside tensor '" + rt::escaped(tensor.name) + "'");
  return files_[tensor.file]->read(tensor.offset + offset, out);
}

rt::Status Checkpoint::rowsRaw(const TensorInfo& tensor, int64_t row0, int64_t rows, std::byte* out,
                               int64_t unpermuteHeads) const {
  if (row0 < 0 || rows < 0 || row0 > tensor.rows() - rows)
    return rt::Status::error(rt::ErrorKind::kInternal, "IX_RANGE",
                             "rows outside tensor '" + rt::escaped(tensor.name) + "'");
  if (rows == 0) return rt::Status::ok();
  // One value of a quantized vector has no bytes of its own; completeness checks keep such vectors away from here.
  if (tensor.shape.size() < 2 && isBlockQuantized(tensor.type))
    return importError("MODEL_TENSOR", {files_[tensor.file]->name(), static_cast<int64_t>(tensor.offset), tensor.name},
                       "a vector is stored in blocks");
  if (unpermuteHeads > 0) {
    LLMC_TRY(readUnpermuted(tensor, row0, rows, out, unpermuteHeads));
  } else {
    auto rowBytes = static_cast<uint64_t>(tensor.rowBytes());
    LLMC_TRY(read(tensor, static_cast<uint64_t>(row0) * rowBytes, {out, static_cast<size_t>(rows) * rowBytes}));
  }
  if (!allowNonFinite_ && !allFinite(tensor.type, out, rows * tensor.rowLength()))
    return importError(
        "W_NONFINITE", {files_[tensor.file]->name(), static_cast<int64_t>(tensor.offset), tensor.name},
        "a weight is NaN or infinite, in rows " + std::to_string(row0) + " to " + std::to_string(row0 + rows - 1),
        "the model file is damaged");
  return rt::Status::ok();
}

rt::Status Checkpoint::readUnpermuted(const TensorInfo& tensor, int64_t row0, int64_t rows, std::byte* out,
                                      int64_t heads) const {
  int64_t headRows = tensor.rows() / heads;
  if (headRows * heads != tensor.rows() || headRows % 2 != 0)
    return rt::Status::error(rt::ErrorKind::kInternal, "IX_RANGE",
                             "rows of '" + rt::escaped(tensor.name) + "' are not whole heads");
  auto rowBytes = static_cast<size_t>(tensor.rowBytes());
  size_t headBytes = static_cast<size_t>(headRows) * rowBytes;
  std::vector<std::byte> stored(headBytes);
  int64_t loadedHead = -1;
  for (int64_t row = row0; row < row0 + rows; ++row, out += rowBytes) {
    int64_t head = row / headRows, inHead = row % headRows;
    if (head != loadedHead) {
      LLMC_TRY(read(tensor, static_cast<uint64_t>(head) * headBytes, stored));
      loadedHead = head;
    }
    int64_t half = inHead / (headRows / 2), i = inHead % (headRows / 2);
    std::memcpy(out, stored.data() + static_cast<size_t>(2 * i + half) * rowBytes, rowBytes);
  }
  return rt::Status::ok();
}

rt::Status Checkpoint::rowsToFloat(const TensorInfo& tensor, int64_t row0, int64_t rows, float* out,
                                   int64_t unpermuteHeads) const {
  int64_t rowBytes = std::max<int64_t>(tensor.rowBytes(), 1), length = tensor.rowLength();
  // Whole heads at a time, so that un-interleaving reads every head once.
  int64_t unit = unpermuteHeads > 0 ? std::max<int64_t>(tensor.rows() / unpermuteHeads, 1) : 1;
  int64_t step = std::max(kChunkBytes / rowBytes / unit, int64_t{1}) * unit;
  std::vector<std::byte> chunk(static_cast<size_t>(std::min(step, std::max<int64_t>(rows, 0)) * rowBytes));
  for (int64_t done = 0; done < rows;) {
    int64_t now = std::min(step, rows - done);
    LLMC_TRY(rowsRaw(tensor, row0 + done, now, chunk.data(), unpermuteHeads));
    expandToFloat(tensor.type, chunk.data(), now * length, out + done * length);
    done += now;
  }
  return rt::Status::ok();
}

}  // namespace llmc
