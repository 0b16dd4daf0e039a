// How a tensor's numbers are stored in a model file, and their exact expansion to float.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace llmc {

/// Storage of one tensor. The Q types are GGUF blocks of 32 values along a row:
/// Q4_0 = f16 scale, 16 bytes (value = scale*(q-8)); Q4_1 = f16 scale, f16 min, 16 bytes (value = scale*q + min);
/// Q8_0 = f16 scale, 32 int8. In the 4-bit types byte i holds value i in its low and value i+16 in its high nibble.
/// Q5_0 and Q5_1 are Q4_0 (zero 16) and Q4_1 with a fifth bit each. The K types are blocks of 256 with one f16 for all
/// and small integers for each 32 or 16 values: QuantBlock.h.
enum class StorageType : uint8_t { F32, F16, BF16, Q4_0, Q4_1, Q8_0, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K };

inline constexpr int64_t kStorageTypes = 11;

/// "F32", "Q4_1", ...
std::string_view storageTypeName(StorageType type);
/// "F32, F16, ..., Q6_K": for hints in errors.
std::string_view storageTypeList();

/// Values in one block: 1 for the float types, 256 for the K types, 32 for the others.
int64_t blockLength(StorageType type);
/// Bytes of one block.
int64_t blockBytes(StorageType type);
inline bool isBlockQuantized(StorageType type) { return blockLength(type) != 1; }

/// Expands `count` values (a multiple of blockLength) to float. Exact for F32, F16, BF16; for the Q types each value is
/// the float product (and sum) of the scale (and min) converted to float, as in ggml.
void expandToFloat(StorageType type, const std::byte* blocks, int64_t count, float* out);

/// True when every value that `count` stored values can expand to is finite (Q types: scales and mins are checked).
bool allFinite(StorageType type, const std::byte* blocks, int64_t count);

float halfToFloat(uint16_t half);
float bfloatToFloat(uint16_t bits);

}  // namespace llmc
