// Packs panels from ggml's 5-bit and K blocks, exactly: the same codes, scales and mins in another order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codegen/registry/PackedLayout.h"
#include "compiler/engine/Quantizer.h"
#include "compiler/import/StorageType.h"

namespace llmc {

/// The storage that `layout` takes over block by block; F32 for layouts that it does not.
StorageType repackedStorage(Layout layout);

/// rows: `count` (1-16) rows of `cols` values stored as repackedStorage(layout), one after the other. Writes
/// panelBytes(layout, cols); missing lanes get zeros. Returns a bit for each lane that has a NaN or infinite scale or
/// min.
LaneFaults repackQuantBlocks(Layout layout, const std::byte* rows, int count, int64_t cols, uint8_t* panel);

}  // namespace llmc
