// Tensors in memory as a checkpoint would give them, for packing tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/engine/RowSource.h"

namespace llmc::test {

struct MemoryTensor {
  StorageType storage = StorageType::F32;
  int64_t rows = 0, cols = 1;
  std::vector<std::byte> bytes;  // [rows][storedRowBytes]
};

class MemoryRows : public RowSources {
 public:
  void add(const std::string& name, MemoryTensor tensor) { tensors_[name] = std::move(tensor); }
  const MemoryTensor& tensor(const std::string& name) const { return tensors_.at(name); }
  rt::Result<std::unique_ptr<RowSource>> open(const std::string& name) const override;

 private:
  std::map<std::string, MemoryTensor> tensors_;
};

/// Normally distributed weights (deviation 0.02) in any storage; the Q types get random codes and scales.
MemoryTensor randomTensor(StorageType storage, int64_t rows, int64_t cols, uint32_t seed);
/// All values as float.
std::vector<float> valuesOf(const MemoryTensor& tensor);

}  // namespace llmc::test
