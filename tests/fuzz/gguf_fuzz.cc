// Fuzz target: a whole GGUF model with config, tensor names and tokenizer, then every tensor's last row.
#include "compiler/import/ModelSource.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  llmc::MemoryFile memory(data, size);
  auto file = llmc::SourceFile::open(memory.path());
  if (!file) return 0;
  auto model = llmc::importGguf(*file, {});
  if (!model) return 0;
  for (const auto& tensor : model->checkpoint->tensors()) {
    std::vector<float> row(static_cast<size_t>(tensor.rowLength()));
    (void)model->checkpoint->rowsToFloat(tensor, tensor.rows() - 1, 1, row.data()).isOk();
  }
  return 0;
}
