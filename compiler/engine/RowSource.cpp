// Rows of checkpoint tensors. Packing checks values itself, so rows are read without the checkpoint's own check.
#include "compiler/engine/RowSource.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "compiler/import/Checkpoint.h"

namespace llmc {
namespace {

class CheckpointTensor : public RowSource {
 public:
  CheckpointTensor(const Checkpoint& checkpoint, const TensorInfo& tensor) : checkpoint_(checkpoint), tensor_(tensor) {}
  int64_t rows() const override { return tensor_.rows(); }
  int64_t cols() const override { return tensor_.rowLength(); }
  StorageType storage() const override { return tensor_.type; }
  StoredPlace place(int64_t row, int64_t block, int64_t unpermuteHeads) const override {
    if (unpermuteHeads > 0) {
      int64_t headRows = rows() / unpermuteHeads, inHead = row % headRows;
      row += inHead % (headRows / 2) * 2 + inHead / (headRows / 2) - inHead;
    }
    auto at = static_cast<uint64_t>(row * storedRowBytes(storage(), cols()) + block * blockBytes(storage()));
    return {rt::escaped(checkpoint_.files()[tensor_.file]->name()) + ": byte " + std::to_string(tensor_.offset + at) +
                ": '" + rt::escaped(tensor_.sourceName) + "'",
            row};
  }

  rt::Status read(int64_t row0, int64_t n, int64_t unpermuteHeads, std::byte* out) const override {
    if (unpermuteHeads <= 0) return readStored(row0, n, out);
    int64_t headRows = rows() / unpermuteHeads;
    if (headRows * unpermuteHeads != rows() || headRows % 2 != 0)
      return rt::Status::error(
          rt::ErrorKind::kBadInput, "W_SHAPE",
          "rows of '" + rt::escaped(tensor_.name) + "' are not " + std::to_string(unpermuteHeads) + " whole heads");
    auto rowBytes = static_cast<size_t>(storedRowBytes(storage(), cols()));
    std::vector<std::byte> span;
    for (int64_t done = 0; done < n;) {
      // Rows i0.. of one half of a head are every second stored row of a contiguous span.
      int64_t row = row0 + done, head = row / headRows, half = row % headRows / (headRows / 2),
              i0 = row % (headRows / 2);
      int64_t count = std::min(n - done, headRows / 2 - i0);
      span.resize(static_cast<size_t>(2 * count - 1) * rowBytes);
      LLMC_TRY(readStored(head * headRows + 2 * i0 + half, 2 * count - 1, span.data()));
      for (int64_t i = 0; i < count; ++i, out += rowBytes)
        std::memcpy(out, span.data() + static_cast<size_t>(2 * i) * rowBytes, rowBytes);
      done += count;
    }
    return rt::Status::ok();
  }

 private:
  rt::Status readStored(int64_t row0, int64_t n, std::byte* out) const {
    auto rowBytes = static_cast<uint64_t>(storedRowBytes(storage(), cols()));
    return checkpoint_.read(tensor_, static_cast<uint64_t>(row0) * rowBytes, {out, static_cast<size_t>(n) * rowBytes});
  }

  const Checkpoint& checkpoint_;
  const TensorInfo& tensor_;
};

}  // namespace

StoredPlace RowSource::place(int64_t row, int64_t /*block*/, int64_t /*unpermuteHeads*/) const { return {{}, row}; }

rt::Result<std::unique_ptr<RowSource>> CheckpointRows::open(const std::string& tensor) const {
  const TensorInfo* info = checkpoint_.lookup(tensor);
  if (info == nullptr)
    return rt::Status::error(rt::ErrorKind::kBadInput, "MODEL_TENSOR",
                             "the model has no tensor '" + rt::escaped(tensor) + "'");
  return std::unique_ptr<RowSource>(std::make_unique<CheckpointTensor>(checkpoint_, *info));
}

}  // namespace llmc
