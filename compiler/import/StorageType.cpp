// Expansion of stored tensor blocks to float, exactly as ggml defines them.
#include "compiler/import/StorageType.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "compiler/import/QuantBlock.h"

namespace llmc {
namespace {

struct Layout {
  std::string_view name;
  int64_t length, bytes;
  int halfs;    // f16 numbers in a block: scale, min
  int halfsAt;  // where they start
};

constexpr Layout kLayouts[kStorageTypes] = {
    {"F32", 1, 4, 0, 0},      {"F16", 1, 2, 1, 0},      {"BF16", 1, 2, 1, 0},       {"Q4_0", 32, 18, 1, 0},
    {"Q4_1", 32, 20, 2, 0},   {"Q8_0", 32, 34, 1, 0},   {"Q5_0", 32, 22, 1, 0},     {"Q5_1", 32, 24, 2, 0},
    {"Q4_K", 256, 144, 2, 0}, {"Q5_K", 256, 176, 2, 0}, {"Q6_K", 256, 210, 1, 208},
};

const Layout& layoutOf(StorageType type) { return kLayouts[static_cast<int>(type)]; }

uint16_t load16(const std::byte* bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

void expandQ4(const std::byte* block, bool hasMin, float* out) {
  float scale = halfToFloat(load16(block));
  float min = hasMin ? halfToFloat(load16(block + 2)) : 0.0f;
  const std::byte* nibbles = block + (hasMin ? 4 : 2);
  int zero = hasMin ? 0 : 8;
  for (int i = 0; i < 16; ++i) {
    int byte = static_cast<int>(nibbles[i]);
    int low = (byte & 15) - zero, high = (byte >> 4) - zero;
    // Product and sum are rounded one by one, as ggml does without contraction.
    float lowProduct = scale * static_cast<float>(low), highProduct = scale * static_cast<float>(high);
    out[i] = hasMin ? lowProduct + min : lowProduct;
    out[i + 16] = hasMin ? highProduct + min : highProduct;
  }
}

void expandQ8(const std::byte* block, float* out) {
  float scale = halfToFloat(load16(block));
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}

}  // namespace

std::string_view storageTypeName(StorageType type) { return layoutOf(type).name; }
std::string_view storageTypeList() { return "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K"; }
int64_t blockLength(StorageType type) { return layoutOf(type).length; }
int64_t blockBytes(StorageType type) { return layoutOf(type).bytes; }

float bfloatToFloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

float halfToFloat(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  uint32_t exponent = (half >> 10) & 31, fraction = half & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  // Subnormal halfs are multiples of 2^-24, exact in float.
  float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

void expandToFloat(StorageType type, const std::byte* blocks, int64_t count, float* out) {
  switch (type) {
    case StorageType::F32:
      std::memcpy(out, blocks, static_cast<size_t>(count) * 4);
      return;
    case StorageType::F16:
      for (int64_t i = 0; i < count; ++i) out[i] = halfToFloat(load16(blocks + 2 * i));
      return;
    case StorageType::BF16:
      for (int64_t i = 0; i < count; ++i) out[i] = bfloatToFloat(load16(blocks + 2 * i));
      return;
    case StorageType::Q4_0:
    case StorageType::Q4_1:
      for (int64_t i = 0; i < count / 32; ++i)
        expandQ4(blocks + i * blockBytes(type), type == StorageType::Q4_1, out + 32 * i);
      return;
    case StorageType::Q8_0:
      for (int64_t i = 0; i < count / 32; ++i) expandQ8(blocks + i * 34, out + 32 * i);
      return;
    default:
      break;
  }
  QuantBlock block;
  for (int64_t done = 0; done < count; done += blockLength(type), blocks += blockBytes(type)) {
    readQuantBlock(type, blocks, block);
    expandQuantBlock(type, block, out + done);
  }
}

bool allFinite(StorageType type, const std::byte* blocks, int64_t count) {
  if (type == StorageType::F32) {
    for (int64_t i = 0; i < count; ++i) {
      uint32_t bits;
      std::memcpy(&bits, blocks + 4 * i, 4);
      if ((bits & 0x7f800000u) == 0x7f800000u) return false;
    }
    return true;
  }
  uint16_t exponentMask = type == StorageType::BF16 ? 0x7f80 : 0x7c00;
  const Layout& layout = layoutOf(type);
  for (int64_t i = 0; i < count / layout.length; ++i)
    for (int j = 0; j < layout.halfs; ++j)
      if ((load16(blocks + i * layout.bytes + layout.halfsAt + 2 * j) & exponentMask) == exponentMask) return false;
  return true;
}

}  // namespace llmc
