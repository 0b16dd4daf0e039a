// Fuzz target: tokenizer.json.
#include <cstdint>

#include "compiler/import/TokenizerCheck.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)llmc::checkTokenizerJson(std::string(reinterpret_cast<const char*>(data), size), "tokenizer.json").isOk();
  return 0;
}
