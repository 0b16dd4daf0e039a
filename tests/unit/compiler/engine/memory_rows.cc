// In-memory tensors with the un-interleaving spelled out row by row.
#include "tests/unit/compiler/engine/memory_rows.h"

#include <bit>
#include <cstring>
#include <random>

#include "codegen/registry/PackedLayout.h"

namespace llmc::test {
namespace {

class MemoryRowSource : public RowSource {
 public:
  explicit MemoryRowSource(const MemoryTensor& tensor) : tensor_(tensor) {}
  int64_t rows() const override { return tensor_.rows; }
  int64_t cols() const override { return tensor_.cols; }
  StorageType storage() const override { return tensor_.storage; }
  rt::Status read(int64_t row0, int64_t n, int64_t heads, std::byte* out) const override {
    auto rowBytes = storedRowBytes(tensor_.storage, tensor_.cols);
    for (int64_t row = row0; row < row0 + n; ++row, out += rowBytes) {
      int64_t stored = row;
      if (heads > 0) {
        int64_t d = tensor_.rows / heads, head = row / d, half = row % d / (d / 2), i = row % (d / 2);
        stored = head * d + 2 * i + half;
      }
      std::memcpy(out, tensor_.bytes.data() + stored * rowBytes, static_cast<size_t>(rowBytes));
    }
    return rt::Status::ok();
  }

 private:
  const MemoryTensor& tensor_;
};

}  // namespace

rt::Result<std::unique_ptr<RowSource>> MemoryRows::open(const std::string& name) const {
  auto found = tensors_.find(name);
  if (found == tensors_.end()) return rt::Status::error(rt::ErrorKind::kBadInput, "MODEL_TENSOR", "no tensor " + name);
  return std::unique_ptr<RowSource>(std::make_unique<MemoryRowSource>(found->second));
}

MemoryTensor randomTensor(StorageType storage, int64_t rows, int64_t cols, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  MemoryTensor tensor{storage, rows, cols,
                      std::vector<std::byte>(static_cast<size_t>(rows * storedRowBytes(storage, cols)))};
  auto store16 = [&](size_t at, uint16_t value) { std::memcpy(tensor.bytes.data() + at, &value, 2); };
  if (isBlockQuantized(storage)) {
    for (auto& byte : tensor.bytes) byte = static_cast<std::byte>(random());
    for (size_t at = 0; at < tensor.bytes.size(); at += static_cast<size_t>(blockBytes(storage))) {
      bool symmetric = storage == StorageType::Q4_0 || storage == StorageType::Q5_0 || storage == StorageType::Q8_0;
      store16(storage == StorageType::Q6_K ? at + 208 : at, f32ToF16(normal(random)));
      if (!symmetric && storage != StorageType::Q6_K) store16(at + 2, f32ToF16(normal(random)));
    }
    return tensor;
  }
  for (int64_t i = 0; i < rows * cols; ++i) {
    float value = normal(random);
    auto at = static_cast<size_t>(i);
    if (storage == StorageType::F32) std::memcpy(tensor.bytes.data() + 4 * at, &value, 4);
    if (storage == StorageType::F16) store16(2 * at, f32ToF16(value));
    if (storage == StorageType::BF16) store16(2 * at, static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
  }
  return tensor;
}

std::vector<float> valuesOf(const MemoryTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.rows * tensor.cols));
  expandToFloat(tensor.storage, tensor.bytes.data(), tensor.rows * tensor.cols, values.data());
  return values;
}

}  // namespace llmc::test
