// The header of a .safetensors file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compiler/import/Checkpoint.h"

namespace llmc {

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;           ///< in data order; file index 0
  std::vector<UnreadableTensor> unreadable;  ///< of a type the compiler cannot read
};

/// Reads and checks the header (ST_* errors): the tensors are named once, contiguous from 0, and fill the file.
rt::Result<SafetensorsHeader> readSafetensors(const SourceFile& file);

}  // namespace llmc
