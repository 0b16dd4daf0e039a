// The emulator's own content of a CUtensorMap: what cuTensorMapEncodeTiled writes and a tensor copy reads.
#pragma once

#include <cstdint>

namespace llmc::emu {

/// Boxes of a tensor of up to five dimensions, the first one contiguous. Fits in the 128 bytes of a CUtensorMap.
struct TensorMap {
  uint64_t base;
  uint64_t size[5];
  uint64_t stride[4];  ///< in bytes, of dimensions 1 and up
  uint32_t box[5];
  uint16_t rank, elementBytes;
  uint32_t swizzle;  ///< span in bytes within which 16-byte chunks are swizzled: 0, 32, 64 or 128

  uint32_t boxBytes() const;
  /// Copies the box at `coordinates` to a shared address; elements outside the tensor are zero.
  void copyBox(uint8_t* window, uint32_t destination, const int32_t* coordinates) const;
};
static_assert(sizeof(TensorMap) <= 128);

}  // namespace llmc::emu
