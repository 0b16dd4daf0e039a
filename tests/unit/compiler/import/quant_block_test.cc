// 5-bit and K blocks against what llama.cpp's own functions make of the same bytes.
#include "compiler/import/QuantBlock.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

namespace llmc {
namespace {

/// Blocks of a linear congruence, with exponents that leave the f16 numbers finite. tests/e2e/dequantize_test.py makes
/// the same bytes.
std::vector<std::byte> generatedBlocks(StorageType type, int64_t blocks) {
  int64_t size = blockBytes(type);
  uint64_t state = 1;
  std::vector<std::byte> bytes;
  for (int64_t i = 0; i < blocks * size; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    bytes.push_back(static_cast<std::byte>(state >> 56));
  }
  std::vector<int64_t> halfs = {0, 2};
  if (type == StorageType::Q5_0) halfs = {0};
  if (type == StorageType::Q6_K) halfs = {208};
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t at : halfs) bytes[static_cast<size_t>(block * size + at + 1)] &= std::byte{0xbb};
  return bytes;
}

/// FNV-1a over the bits of each float; -0 counts as 0.
uint64_t fingerprint(const std::vector<float>& values) {
  uint64_t digest = 0xcbf29ce484222325ull;
  for (float value : values) digest = (digest ^ std::bit_cast<uint32_t>(value + 0.0f)) * 0x100000001b3ull;
  return digest;
}

struct Expected {
  StorageType type;
  uint64_t digest;  ///< of what llama.cpp 0.3.36's dequantize_row_* gives; dequantize_test.py checks that it does
};
constexpr Expected kExpected[] = {
    {StorageType::Q5_0, 0xf876672254dba125}, {StorageType::Q5_1, 0xc87460424ed004a3},
    {StorageType::Q4_K, 0xee46d98f1e4d6b58}, {StorageType::Q5_K, 0xc511d957e69c1f8b},
    {StorageType::Q6_K, 0xaf597f07bfe53ed5},
};

TEST(QuantBlock, ValuesAreThoseOfLlamaCpp) {
  for (const Expected& expected : kExpected) {
    std::vector<std::byte> blocks = generatedBlocks(expected.type, 200);
    std::vector<float> values(static_cast<size_t>(200 * blockLength(expected.type)));
    expandToFloat(expected.type, blocks.data(), static_cast<int64_t>(values.size()), values.data());
    EXPECT_EQ(fingerprint(values), expected.digest) << storageTypeName(expected.type);
  }
}

TEST(QuantBlock, EveryTypeOrNone) {
  for (int i = 0; i < kStorageTypes; ++i) {
    auto type = static_cast<StorageType>(i);
    bool listed = false;
    for (const Expected& expected : kExpected) listed = listed || expected.type == type;
    EXPECT_EQ(hasQuantBlock(type), listed) << storageTypeName(type);
  }
}

TEST(QuantBlock, FiniteCheckKnowsWhereTheHalfsAre) {
  auto finite = [](StorageType type, size_t at, uint16_t half) {
    std::vector<std::byte> block = generatedBlocks(type, 2);
    block[at] = static_cast<std::byte>(half & 255);
    block[at + 1] = static_cast<std::byte>(half >> 8);
    return allFinite(type, block.data(), 2 * blockLength(type));
  };
  for (const Expected& expected : kExpected) {
    std::vector<std::byte> blocks = generatedBlocks(expected.type, 50);
    EXPECT_TRUE(allFinite(expected.type, blocks.data(), 50 * blockLength(expected.type)));
  }
  for (uint16_t bad : {0x7c00, 0xfc00, 0x7e01}) {
    EXPECT_FALSE(finite(StorageType::Q5_0, 22, bad));
    EXPECT_FALSE(finite(StorageType::Q5_1, 24 + 2, bad));
    EXPECT_FALSE(finite(StorageType::Q4_K, 0, bad));
    EXPECT_FALSE(finite(StorageType::Q4_K, 144 + 2, bad));
    EXPECT_FALSE(finite(StorageType::Q5_K, 2, bad));
    EXPECT_FALSE(finite(StorageType::Q6_K, 210 + 208, bad));
    EXPECT_TRUE(finite(StorageType::Q6_K, 0, bad));  // codes
  }
}

}  // namespace
}  // namespace llmc
