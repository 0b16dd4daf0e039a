// Copies of tensor boxes to shared memory.
#include "tests/emulator/tensor_map.h"

#include <cstring>

namespace llmc::emu {

uint32_t TensorMap::boxBytes() const {
  uint32_t bytes = elementBytes;
  for (uint32_t i = 0; i < rank; ++i) bytes *= box[i];
  return bytes;
}

void TensorMap::copyBox(uint8_t* window, uint32_t destination, const int32_t* coordinates) const {
  const uint32_t elements = boxBytes() / elementBytes;
  for (uint32_t index = 0; index < elements; ++index) {
    uint64_t source = base;
    bool inside = true;
    uint32_t rest = index;
    for (uint32_t i = 0; i < rank; ++i) {
      const int64_t at = (int64_t)coordinates[i] + rest % box[i];
      rest /= box[i];
      inside = inside && at >= 0 && at < (int64_t)size[i];
      source += (uint64_t)at * (i == 0 ? elementBytes : stride[i - 1]);
    }
    uint32_t address = destination + index * elementBytes;
    // Bits 4 and up of the address are exchanged with the number of the row of 128 bytes.
    if (swizzle) address ^= (address >> 7 & (swizzle / 16 - 1)) << 4;
    if (inside)
      std::memcpy(window + address, reinterpret_cast<const void*>(source), elementBytes);
    else
      std::memset(window + address, 0, elementBytes);
  }
}

}  // namespace llmc::emu
