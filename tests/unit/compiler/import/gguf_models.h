// The tiny GGUF model, imported whole with one of its keys changed.
#pragma once

#include <functional>
#include <string>

#include "compiler/import/ImportedModel.h"
#include "tests/unit/compiler/import/model_files.h"

namespace llmc {

inline rt::Result<ImportedModel> importGgufOf(const GgufWriter& writer) {
  TempFolder folder;
  return importModel(folder.write("tiny.gguf", writer.build()));
}
/// The code of the tiny model with `key` written by `write`; a refusal must name the file and a byte of it.
inline std::string ggufModelCode(const std::string& key, const std::function<void(GgufWriter&)>& write) {
  const GgufWriter changed = tinyGguf([&](GgufWriter& w, const std::string& name) {
    if (name != key) return false;
    write(w);
    return true;
  });
  return placedCodeOf(importGgufOf(changed), "tiny.gguf", changed.build().size());
}
inline std::string ggufModelCodeWithNumber(const std::string& key, uint32_t value) {
  return ggufModelCode(key, [&](GgufWriter& w) { w.u32(key, value); });
}

}  // namespace llmc
