// Numbers that are not numbers, sizes with suffixes, id lists.
#include "runtime/main/number_flags.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

TEST(NumberFlags, CountsAsVllmWritesThem) {
  for (const auto& [text, value] :
       {std::pair{"1", 1}, std::pair{"1k", 1000}, std::pair{"4K", 4096}, std::pair{"1.5k", 1500},
        std::pair{"0.001k", 1}, std::pair{"1.001k", 1001}, std::pair{"2m", 2'000'000}, std::pair{"1M", 1 << 20}})
    EXPECT_EQ(*parseCount("--n", text, 1, 1 << 22), value) << text;
  for (const char* text :
       {"", "k", "K", "1kk", "1.5K", "0.0001k", "-1k", "0k", "1e9k", "nank", "infk", "5M", "1 k", "1t"})
    EXPECT_FALSE(parseCount("--n", text, 1, 1 << 22)) << text;
}

TEST(NumberFlags, IntegersMustBeWholeAndInRange) {
  EXPECT_EQ(*parseInteger("--n", "42", 1, 100), 42);
  EXPECT_EQ(*parseInteger("--n", "-1", -1, 100), -1);
  for (const char* text : {"", "abc", "4.5", "1e3", " 4", "4 ", "0x10", "101", "0", "99999999999999999999", "+4"}) {
    auto value = parseInteger("--n", text, 1, 100);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.status().code(), "CLI_NUMBER");
    EXPECT_EQ(exitStatus(value.status().kind()), 64);
    EXPECT_NE(value.status().message().find("--n"), std::string::npos);
  }
}

TEST(NumberFlags, RealsMustBeFiniteAndInRange) {
  EXPECT_DOUBLE_EQ(*parseReal("--f", "0.25", 0, 1), 0.25);
  EXPECT_DOUBLE_EQ(*parseReal("--f", "1e-2", 0, 1), 0.01);
  for (const char* text : {"", "x", "nan", "inf", "1.01", "-0.1", "0.5x"})
    EXPECT_FALSE(parseReal("--f", text, 0, 1)) << text;
}

TEST(NumberFlags, SeedsUseAll64Bits) {
  EXPECT_EQ(*parseSeed("--seed", "18446744073709551615"), ~uint64_t{0});
  EXPECT_FALSE(parseSeed("--seed", "18446744073709551616"));
  EXPECT_FALSE(parseSeed("--seed", "-1"));
}

TEST(NumberFlags, SizesTakeSuffixes) {
  EXPECT_EQ(*parseSize("--kv", "100"), 100u);
  EXPECT_EQ(*parseSize("--kv", "2K"), 2048u);
  EXPECT_EQ(*parseSize("--kv", "512m"), 512ull << 20);
  EXPECT_EQ(*parseSize("--kv", "1.5GiB"), 3ull << 29);
  EXPECT_EQ(*parseSize("--kv", "1TB"), 1ull << 40);
  for (const char* text : {"", "0", "-1", "G", "1X", "1GG", "1 G", "nan", "1e30", "0.1"})
    EXPECT_FALSE(parseSize("--kv", text)) << text;
}

TEST(NumberFlags, IdsAreWholeNumbers) {
  EXPECT_EQ(*parseIds("--ids", "1,2,30"), (std::vector<int32_t>{1, 2, 30}));
  EXPECT_EQ(*parseIds("--ids", "-1"), (std::vector<int32_t>{-1}));  // the vocabulary refuses it, and says its range
  for (const char* text : {"", "1,", ",1", "1,,2", "1 2", "a", "2147483648"})
    EXPECT_FALSE(parseIds("--ids", text)) << text;
  EXPECT_EQ(parseIds("--ids", "1,2,x").status().message(),
            "--ids: entry 3, 'x', must be a token id, a whole number from 0 to 2147483647");
}

}  // namespace
}  // namespace llmc::rt
