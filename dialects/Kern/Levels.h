// The CPU levels that an engine may carry code for, from the most to the least common.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace llmc::kern {

/// x86-64-v3 (AVX2), x86-64-v3-avxvnni, x86-64-v4 (AVX-512), x86-64-v4-vnni, x86-64-v4-vnni-bf16,
/// x86-64-v4-vnni-bf16-vp2intersect (Zen 5).
::llvm::ArrayRef<::llvm::StringRef> levelNames();
bool isLevelName(::llvm::StringRef name);

/// True when the level has the u8 x i8 dot product; without it the bias word of a qact is two 16-bit halves.
bool levelHasVnni(::llvm::StringRef name);

}  // namespace llmc::kern
