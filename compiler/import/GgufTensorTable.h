// The tensor table of a GGUF file.
#pragma once

#include "compiler/import/Gguf.h"
#include "compiler/import/GgufStream.h"

namespace llmc {

/// Reads `count` tensor infos from `in` into gguf.tensors and checks that their data is aligned, contiguous and fills
/// the file.
rt::Status readGgufTensorTable(GgufStream& in, uint64_t count, uint64_t alignment, GgufFile& gguf);

}  // namespace llmc
