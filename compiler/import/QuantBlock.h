// Blocks of ggml's 5-bit and K types taken apart: unsigned codes in the order of the row, scales, mins.
#pragma once

#include <cstddef>
#include <cstdint>

#include "compiler/import/StorageType.h"

namespace llmc {

/// One block of Q5_0, Q5_1, Q4_K, Q5_K or Q6_K. Codes count from 0; what stands for zero is 16 (Q5_0) or 32 (Q6_K).
///   Q5_0, Q5_1  value = scale * (code - zero) + min
///   Q4_K, Q5_K  value = scale * scales[i / 32] * code - min * mins[i / 32]
///   Q6_K        value = scale * int8(scales[i / 16]) * (code - zero)
struct QuantBlock {
  uint16_t scale = 0, min = 0;            ///< f16 bits
  uint8_t scales[16] = {}, mins[8] = {};  ///< K types: 6-bit numbers (Q4_K, Q5_K) or int8 bits (Q6_K)
  alignas(64) uint8_t codes[256] = {};    ///< the first blockLength(type) count
};

/// True for the types that readQuantBlock knows.
bool hasQuantBlock(StorageType type);
/// Takes blockBytes(type) bytes apart. Requires: hasQuantBlock(type).
void readQuantBlock(StorageType type, const std::byte* block, QuantBlock& out);
/// The values of a block, each product and difference rounded to float one by one, as ggml does.
void expandQuantBlock(StorageType type, const QuantBlock& block, float* out);

}  // namespace llmc
