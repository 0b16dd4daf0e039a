// Layouts of attention by the numbers that the IR and a tuning database have of them.
#pragma once

#include "codegen/cuda/TunedChoice.h"
#include "codegen/cuda/attention/AttendLayout.h"
#include "codegen/registry/AttentionKey.h"

namespace llmc {

/// What tells `layout` from the other legal ones of its shape: "warps", "stages", "blocks", and "parts" of parts,
/// "row_warps", "row_blocks", "pages", "score_pages" of tiles.
std::vector<TunedNumber> attendNumbers(const CudaAttendLayout &layout);

/// The legal layout with `numbers` that is nearest to chooseAttendLayout()'s. An unknown name, or numbers that no legal
/// one has: a text in `fault` (else empty), and chooseAttendLayout().
CudaAttendLayout attendLayoutWith(const Arch &arch, const CudaAttendShape &shape, llvm::ArrayRef<TunedNumber> numbers,
                                  std::string &fault);

/// The shape that a database's key stands for, in a cache of one layer.
CudaAttendShape attendShape(const CudaAttention &attention);

} // namespace llmc
