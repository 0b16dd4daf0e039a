// Packs one panel of 16 rows from a tensor's stored rows: exact repacking where formats agree, quantization elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "codegen/registry/PackedLayout.h"
#include "compiler/engine/Quantizer.h"
#include "compiler/import/StorageType.h"

namespace llmc {

/// Whether `layout` holds values of `storage` exactly, without going through float. `group`: columns that share a
/// scale, 0: as many as the layout says.
bool repacksExactly(Layout layout, StorageType storage, int64_t group = 0);

/// Whether pack() makes `layout` from `storage`: 5-bit layouts and those with byte scales only take over what a file
/// holds.
bool canPack(Layout layout, StorageType storage);

/// Keeps the buffers of one thread.
class PanelPacker {
 public:
  /// square: the scale search of I4 weighs errors by the element's square. group: columns that share a scale, 128 for
  /// i4 with mins; 0: as many as the layout says. e4m3: float layouts hold what e4m3 with a scale a row would.
  PanelPacker(Layout layout, int64_t cols, bool square, int64_t group = 0, bool e4m3 = false);

  /// rows: `count` (1-16) stored rows one after the other; missing lanes get zeros. Writes panelBytes(layout, cols).
  LaneFaults pack(StorageType storage, const std::byte* rows, int count, uint8_t* out);
  /// Seconds that all calls so far spent on widening 16-bit values to float.
  double expandSeconds() const { return expandSeconds_; }

 private:
  LaneFaults packFloats(uint8_t* out);
  LaneFaults packHalfWords(StorageType storage, const std::byte* rows, int count, uint8_t* out);
  LaneFaults packQuantized(uint8_t* out);
  LaneFaults packWide(uint8_t* out);
  LaneFaults packBytes(uint8_t* out);
  LaneFaults scaleRows(float (&scales)[kPanelRows]);
  LaneFaults repackBlocks(StorageType storage, const std::byte* rows, int count, uint8_t* out);
  void expand(StorageType storage, const std::byte* rows, int count);

  Layout layout_;
  int64_t cols_, padded_;  // floats are padded to whole groups, too
  int64_t group_;
  bool e4m3_;
  GroupQuantizer quantizer_ = nullptr;
  double expandSeconds_ = 0;
  std::vector<float> floats_;    // [16][padded_], rows past `count` and columns past cols_ are zero
  std::vector<uint16_t> words_;  // [16][padded_]
};

}  // namespace llmc
