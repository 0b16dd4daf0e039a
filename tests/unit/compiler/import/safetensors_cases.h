// Safetensors files of a header and data as text, and the code that reading them gives.
#pragma once

#include <string>

#include "compiler/import/Safetensors.h"
#include "tests/unit/compiler/import/model_files.h"

namespace llmc {

inline rt::Result<SafetensorsHeader> safetensorsOf(const std::string& bytes) {
  TempFolder folder;
  auto file = SourceFile::open(folder.write("m.safetensors", bytes));
  if (!file) return file.takeStatus();
  return readSafetensors(**file);
}
/// A refusal must name the file and a byte of it.
inline std::string safetensorsBytesCode(const std::string& bytes) {
  return placedCodeOf(safetensorsOf(bytes), "m.safetensors", bytes.size());
}
inline std::string safetensorsCode(const std::string& header, const std::string& data = "") {
  return safetensorsBytesCode(safetensorsFile(header, data));
}
inline std::string tensorEntry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}
inline const std::string kGoodEntry = tensorEntry("F32", "[2]", "[0,8]");
inline const std::string kEightBytes(8, '\0');

}  // namespace llmc
