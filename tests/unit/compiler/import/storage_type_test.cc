// Tests of the expansion of stored values to float.
#include "compiler/import/StorageType.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

std::vector<float> expand(StorageType type, const std::string& blocks, int64_t count) {
  std::vector<float> out(static_cast<size_t>(count));
  expandToFloat(type, reinterpret_cast<const std::byte*>(blocks.data()), count, out.data());
  return out;
}

TEST(StorageType, EveryHalfEqualsTheCompilersOwnConversion) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float expected = static_cast<float>(std::bit_cast<_Float16>(static_cast<uint16_t>(bits)));
    float actual = halfToFloat(static_cast<uint16_t>(bits));
    if (std::isnan(expected))
      ASSERT_TRUE(std::isnan(actual)) << bits;
    else
      ASSERT_EQ(std::bit_cast<uint32_t>(actual), std::bit_cast<uint32_t>(expected)) << bits;
  }
}

TEST(StorageType, Bfloat16IsTheUpperHalfOfAFloat) {
  EXPECT_EQ(bfloatToFloat(0x3f80), 1.0f);
  EXPECT_EQ(bfloatToFloat(0xc040), -3.0f);
}

TEST(StorageType, Q4_0TakesLowNibblesFirst) {
  std::string block = bytesOf<uint16_t>(0x3800);  // 0.5
  for (int i = 0; i < 16; ++i) block += static_cast<char>(i | ((15 - i) << 4));
  auto values = expand(StorageType::Q4_0, block, 32);
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(values[i], 0.5f * static_cast<float>(i - 8));
    EXPECT_EQ(values[i + 16], 0.5f * static_cast<float>(15 - i - 8));
  }
}

TEST(StorageType, Q4_1AddsTheMin) {
  std::string block = bytesOf<uint16_t>(0x3c00) + bytesOf<uint16_t>(0xc000);  // 1, -2
  for (int i = 0; i < 16; ++i) block += static_cast<char>(i);
  auto values = expand(StorageType::Q4_1, block, 32);
  EXPECT_EQ(values[0], -2.0f);
  EXPECT_EQ(values[15], 13.0f);
  EXPECT_EQ(values[16], -2.0f);
}

TEST(StorageType, Q8_0IsSigned) {
  std::string block = bytesOf<uint16_t>(0x4000);  // 2
  for (int i = 0; i < 32; ++i) block += static_cast<char>(i * 8 - 128);
  auto values = expand(StorageType::Q8_0, block + block, 64);
  EXPECT_EQ(values[0], -256.0f);
  EXPECT_EQ(values[63], 2.0f * 120);
}

TEST(StorageType, FiniteCheckSeesValuesScalesAndMins) {
  auto finite = [](StorageType type, const std::string& bytes, int64_t count) {
    return allFinite(type, reinterpret_cast<const std::byte*>(bytes.data()), count);
  };
  EXPECT_TRUE(finite(StorageType::F32, bytesOf(1.0f) + bytesOf(3e38f), 2));
  EXPECT_FALSE(finite(StorageType::F32, bytesOf(1.0f) + bytesOf(NAN), 2));
  EXPECT_FALSE(finite(StorageType::BF16, bytesOf<uint16_t>(0xff80), 1));
  EXPECT_FALSE(finite(StorageType::F16, bytesOf<uint16_t>(0x7c00), 1));
  std::string nibbles(16, '\xff');
  EXPECT_TRUE(finite(StorageType::Q4_0, bytesOf<uint16_t>(0x3c00) + nibbles, 32));
  EXPECT_FALSE(finite(StorageType::Q4_0, bytesOf<uint16_t>(0x7e00) + nibbles, 32));
  EXPECT_FALSE(finite(StorageType::Q4_1, bytesOf<uint16_t>(0x3c00) + bytesOf<uint16_t>(0xfc00) + nibbles, 32));
  EXPECT_FALSE(finite(StorageType::Q8_0, bytesOf<uint16_t>(0x7c01) + nibbles + nibbles, 32));
}

}  // namespace
}  // namespace llmc
