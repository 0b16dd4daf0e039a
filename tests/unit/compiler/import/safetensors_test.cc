// Hostile and odd safetensors files: rows ST1 to ST5 and ST9 to ST18 of the catalogue.
#include <chrono>

#include "tests/unit/compiler/import/safetensors_cases.h"

namespace llmc {
namespace {

TEST(Safetensors, HonestFile) {
  auto header =
      safetensorsOf(safetensorsFile(R"({"__metadata__":{"format":"pt"},"a":)" + tensorEntry("BF16", "[2,3]", "[4,16]") +
                                        R"(,"b":)" + tensorEntry("F32", "[]", "[0,4]") + "}  ",
                                    std::string(16, 'x')));
  ASSERT_TRUE(header.isOk()) << header.status().toString();
  ASSERT_EQ(header->tensors.size(), 2u);
  EXPECT_EQ(header->tensors[0].name, "b");
  EXPECT_EQ(header->tensors[1].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header->tensors[1].type, StorageType::BF16);
  EXPECT_EQ(header->tensors[1].bytes, 12u);
}

TEST(Safetensors, ST1_Short) {
  for (size_t n = 0; n < 8; ++n) EXPECT_EQ(safetensorsBytesCode(std::string(n, '\1')), "ST_SHORT");
}

TEST(Safetensors, ST2_HeaderStart) {
  for (const char* header : {"", "[]", " {}", "\xef\xbb\xbf{}", "x"})
    EXPECT_EQ(safetensorsCode(header), "ST_HEADER_START") << header;
}

TEST(Safetensors, ST3_HeaderTooLarge) {
  for (uint64_t length : {uint64_t{100'000'001}, uint64_t{1} << 63, UINT64_MAX})
    EXPECT_EQ(safetensorsBytesCode((bytesOf(length) + "{}")), "ST_HEADER_TOO_LARGE");
}

TEST(Safetensors, ST4_Truncated) {
  EXPECT_EQ(safetensorsBytesCode((bytesOf<uint64_t>(3) + "{}")), "ST_TRUNCATED");
  EXPECT_EQ(safetensorsCode("{\"a\":" + kGoodEntry + "}", "1234567"), "ST_TRUNCATED");
}

TEST(Safetensors, ST5_Utf8) {
  EXPECT_EQ(safetensorsCode("{\"a\xff\":" + kGoodEntry + "}", kEightBytes), "ST_UTF8");
  EXPECT_EQ(safetensorsCode("{\"a\xed\xa0\x80\":" + kGoodEntry + "}", kEightBytes), "ST_UTF8");
  EXPECT_EQ(safetensorsCode(std::string("{\"a\0\":", 6) + kGoodEntry + "}", kEightBytes), "ST_UTF8");
}

TEST(Safetensors, ST9_TooMany) {
  std::string header = "{";
  for (int i = 0; i < 250'000; ++i)
    header += (i ? ",\"t" : "\"t") + std::to_string(i) + "\":" + tensorEntry("F32", "[0]", "[0,0]");
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(safetensorsCode(header + "}"), "ST_TOO_MANY");
  EXPECT_LT(std::chrono::steady_clock::now() - start, kHonestFileTime);
}

TEST(Safetensors, ST10_Offsets) {
  for (const char* offsets : {"[8,0]", "[-1,8]", "[0.0,8]", "[0,8e0]", "[\"0\",8]", "[0,18446744073709551616]",
                              "[0,1e999]", "[0]", "[0,8,8]", "null", "8", "[-0,8]", "[true,8]"})
    EXPECT_EQ(safetensorsCode("{\"a\":" + tensorEntry("F32", "[2]", offsets) + "}", kEightBytes), "ST_OFFSET")
        << offsets;
}

TEST(Safetensors, ST11_Overlap) {
  EXPECT_EQ(safetensorsCode("{\"a\":" + kGoodEntry + ",\"b\":" + kGoodEntry + "}", kEightBytes), "ST_OVERLAP");
  EXPECT_EQ(safetensorsCode("{\"a\":" + kGoodEntry + ",\"b\":" + tensorEntry("F32", "[2]", "[4,12]") + "}",
                            kEightBytes + kEightBytes),
            "ST_OVERLAP");
}

TEST(Safetensors, ST12_Hole) {
  EXPECT_EQ(safetensorsCode("{\"a\":" + kGoodEntry + ",\"b\":" + tensorEntry("F32", "[1]", "[12,16]") + "}",
                            kEightBytes + kEightBytes),
            "ST_HOLE");
  EXPECT_EQ(safetensorsCode("{\"a\":" + kGoodEntry + "}", kEightBytes + "PK\3\4"), "ST_HOLE");
  EXPECT_EQ(safetensorsCode("{}", "x"), "ST_HOLE");
}

TEST(Safetensors, ST13_ShapeOverflow) {
  for (const char* shape :
       {"[9223372036854775808,2]", "[4398046511105]", "[4294967296,4294967296,2]", "[18446744073709551615]"})
    EXPECT_EQ(safetensorsCode("{\"a\":" + tensorEntry("F32", shape, "[0,8]") + "}", kEightBytes), "ST_SHAPE_OVERFLOW")
        << shape;
  EXPECT_EQ(safetensorsCode("{\"a\":" + tensorEntry("F32", "[-1]", "[0,8]") + "}", kEightBytes), "ST_SHAPE");
  EXPECT_EQ(safetensorsCode("{\"a\":" + tensorEntry("F32", "[2.0]", "[0,8]") + "}", kEightBytes), "ST_SHAPE");
}

TEST(Safetensors, ST14_Size) {
  EXPECT_EQ(safetensorsCode("{\"a\":" + tensorEntry("F32", "[3]", "[0,8]") + "}", kEightBytes), "ST_SIZE");
  EXPECT_EQ(safetensorsCode("{\"a\":" + tensorEntry("F4", "[15]", "[0,8]") + "}", kEightBytes), "ST_SIZE");
  EXPECT_EQ(safetensorsCode("{\"a\":" + tensorEntry("F4", "[16]", "[0,8]") + "}", kEightBytes), "ok");
}

TEST(Safetensors, ST15_Dtype) {
  for (const char* dtype : {"F33", "f32", "", "F32 "})
    EXPECT_EQ(safetensorsCode("{\"a\":" + tensorEntry(dtype, "[2]", "[0,8]") + "}", kEightBytes), "ST_DTYPE") << dtype;
  EXPECT_EQ(safetensorsCode(R"({"a":{"dtype":5,"shape":[2],"data_offsets":[0,8]}})", kEightBytes), "ST_DTYPE");
  EXPECT_EQ(safetensorsCode(R"({"a":{"dtype":null,"shape":[2],"data_offsets":[0,8]}})", kEightBytes), "ST_DTYPE");
}

TEST(Safetensors, ST16_RankAndName) {
  std::string ones = "[1";
  for (int i = 1; i < 1000; ++i) ones += ",1";
  EXPECT_EQ(safetensorsCode("{\"a\":" + tensorEntry("F32", ones + "]", "[0,4]") + "}", "1234"), "ST_RANK");
  for (const std::string& name : {std::string(1 << 20, 'n'), std::string("a\\u0001b"), std::string("../../etc/passwd"),
                                  std::string("/abs"), std::string()})
    EXPECT_EQ(safetensorsCode("{\"" + name + "\":" + kGoodEntry + "}", kEightBytes), "ST_NAME") << name.substr(0, 30);
}

TEST(Safetensors, ST18_MisalignedRankZeroAndEmptyAreFine) {
  for (int padding = 0; padding < 8; ++padding)
    EXPECT_EQ(safetensorsCode("{\"a\":" + kGoodEntry + ",\"e\":" + tensorEntry("F16", "[0,7]", "[8,8]") + "}" +
                                  std::string(static_cast<size_t>(padding), ' '),
                              kEightBytes),
              "ok");
  EXPECT_EQ(safetensorsCode("{}"), "ok");
}

TEST(Safetensors, HonestHundredThousandTensorsAreQuick) {  // A6
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i)
    header += (i ? ",\"model.layers.t" : "\"model.layers.t") + std::to_string(i) +
              "\":" + tensorEntry("F32", "[1]", "[" + std::to_string(4 * i) + "," + std::to_string(4 * i + 4) + "]");
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(safetensorsCode(header + "}", std::string(400'000, '\0')), "ok");
  EXPECT_LT(std::chrono::steady_clock::now() - start, kHonestFileTime);
}

}  // namespace
}  // namespace llmc
