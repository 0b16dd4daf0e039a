// Fuzz target: safetensors header, then every tensor's first row.
#include "compiler/import/Safetensors.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  llmc::MemoryFile memory(data, size);
  auto file = llmc::SourceFile::open(memory.path());
  if (!file) return 0;
  auto header = llmc::readSafetensors(**file);
  if (!header) return 0;
  llmc::Checkpoint checkpoint({*file}, header->tensors);
  for (const auto& tensor : checkpoint.tensors()) {
    if (tensor.rows() == 0 || tensor.rowLength() == 0) continue;
    std::vector<float> row(static_cast<size_t>(tensor.rowLength()));
    (void)checkpoint.rowsToFloat(tensor, tensor.rows() - 1, 1, row.data()).isOk();
  }
  return 0;
}
