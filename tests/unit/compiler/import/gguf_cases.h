// Small GGUF files that are honest but for one thing, and the code that reading them gives.
#pragma once

#include <string>

#include "compiler/import/Gguf.h"
#include "tests/unit/compiler/import/model_files.h"

namespace llmc {

/// The code of a file with these bytes; a refusal must name the file and a byte of it.
inline std::string ggufBytesCode(const std::string& bytes) {
  TempFolder folder;
  auto file = SourceFile::open(folder.write("m.gguf", bytes));
  return file ? placedCodeOf(readGguf(*file), "m.gguf", bytes.size()) : codeOf(file);
}
inline std::string ggufCode(const GgufWriter& writer) { return ggufBytesCode(writer.build()); }

/// One F32 tensor "t" of 8 values and one key.
inline GgufWriter smallGguf() {
  GgufWriter w;
  w.u32("a.b", 1);
  w.tensor("t", {8}, 0, std::string(32, '\0'));
  return w;
}
/// The code of smallGguf() with one key more, `value` as it is stored.
inline std::string ggufWithKey(const std::string& key, uint32_t type, const std::string& value) {
  GgufWriter w = smallGguf();
  w.raw(key, type, value);
  return ggufCode(w);
}
/// The code of smallGguf() with one entry more in the tensor table.
inline std::string ggufWithTensor(const std::string& info) {
  GgufWriter w = smallGguf();
  w.tensorInfos.push_back(info);
  w.data += std::string(64, '\0');
  return ggufCode(w);
}

}  // namespace llmc
