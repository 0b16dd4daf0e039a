// Bit fields of ggml's 5-bit and K blocks.
#include "compiler/import/QuantBlock.h"

#include <cstring>

namespace llmc {
namespace {

uint16_t load16(const uint8_t* bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

/// 32 codes of 5 bits: low nibbles are the first 16, bit i of `high` is bit 4 of code i.
void readFive(const uint8_t* high, const uint8_t* nibbles, uint8_t* codes) {
  uint32_t bits;
  std::memcpy(&bits, high, sizeof(bits));
  for (int i = 0; i < 16; ++i) {
    codes[i] = static_cast<uint8_t>((nibbles[i] & 15) | (bits >> i & 1u) << 4);
    codes[i + 16] = static_cast<uint8_t>(nibbles[i] >> 4 | (bits >> (i + 16) & 1u) << 4);
  }
}

/// Eight scales and eight mins of 6 bits in 12 bytes: four whole bytes each, whose upper two bits belong to the others.
void readSixBitScales(const uint8_t* packed, QuantBlock& out) {
  for (int i = 0; i < 4; ++i) {
    out.scales[i] = packed[i] & 63;
    out.mins[i] = packed[i + 4] & 63;
    out.scales[i + 4] = static_cast<uint8_t>((packed[i + 8] & 15) | packed[i] >> 6 << 4);
    out.mins[i + 4] = static_cast<uint8_t>(packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4);
  }
}

/// 256 nibbles: 32 bytes hold 64 codes, the first 32 in the low ones. `high`: null, or bit i of byte l is bit 4 of code
/// 32 i + l.
void readNibbles(const uint8_t* nibbles, const uint8_t* high, uint8_t* codes) {
  for (int part = 0; part < 8; ++part)
    for (int l = 0; l < 32; ++l) {
      int nibble = nibbles[part / 2 * 32 + l] >> (part % 2 * 4) & 15;
      codes[part * 32 + l] = static_cast<uint8_t>(nibble | (high ? (high[l] >> part & 1) << 4 : 0));
    }
}

/// 256 codes of 6 bits, by halves of 128: 64 bytes of nibbles, and 32 bytes of which each has two bits for four codes.
void readSix(const uint8_t* nibbles, const uint8_t* high, uint8_t* codes) {
  for (int half = 0; half < 2; ++half)
    for (int part = 0; part < 4; ++part)
      for (int l = 0; l < 32; ++l) {
        int nibble = nibbles[half * 64 + part % 2 * 32 + l] >> (part / 2 * 4) & 15;
        int top = high[half * 32 + l] >> (2 * part) & 3;
        codes[half * 128 + part * 32 + l] = static_cast<uint8_t>(nibble | top << 4);
      }
}

}  // namespace

bool hasQuantBlock(StorageType type) {
  switch (type) {
    case StorageType::Q5_0:
    case StorageType::Q5_1:
    case StorageType::Q4_K:
    case StorageType::Q5_K:
    case StorageType::Q6_K:
      return true;
    default:
      return false;
  }
}

void readQuantBlock(StorageType type, const std::byte* block, QuantBlock& out) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(block);
  if (type == StorageType::Q6_K) {
    readSix(bytes, bytes + 128, out.codes);
    std::memcpy(out.scales, bytes + 192, 16);
    out.scale = load16(bytes + 208);
    return;
  }
  out.scale = load16(bytes);
  if (type == StorageType::Q5_0) return readFive(bytes + 2, bytes + 6, out.codes);
  out.min = load16(bytes + 2);
  if (type == StorageType::Q5_1) return readFive(bytes + 4, bytes + 8, out.codes);
  readSixBitScales(bytes + 4, out);
  bool five = type == StorageType::Q5_K;
  readNibbles(bytes + (five ? 48 : 16), five ? bytes + 16 : nullptr, out.codes);
}

void expandQuantBlock(StorageType type, const QuantBlock& block, float* out) {
  float scale = halfToFloat(block.scale), min = halfToFloat(block.min);
  if (type == StorageType::Q5_0 || type == StorageType::Q5_1) {
    int zero = type == StorageType::Q5_0 ? 16 : 0;
    for (int i = 0; i < 32; ++i) {
      float product = scale * static_cast<float>(block.codes[i] - zero);
      out[i] = zero ? product : product + min;
    }
    return;
  }
  for (int i = 0; i < 256; ++i) {
    if (type == StorageType::Q6_K) {
      out[i] = scale * static_cast<float>(static_cast<int8_t>(block.scales[i / 16])) *
               static_cast<float>(block.codes[i] - 32);
      continue;
    }
    float product = scale * static_cast<float>(block.scales[i / 32]) * static_cast<float>(block.codes[i]);
    out[i] = product - min * static_cast<float>(block.mins[i / 32]);
  }
}

}  // namespace llmc
