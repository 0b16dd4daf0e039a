// Hostile and odd safetensors headers: rows ST1 to ST18 of the catalogue.
#include "compiler/import/Safetensors.h"

#include <chrono>

#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

rt::Result<SafetensorsHeader> readBytes(const std::string& bytes) {
  TempFolder folder;
  auto file = SourceFile::open(folder.write("m.safetensors", bytes));
  if (!file) return file.takeStatus();
  return readSafetensors(**file);
}
std::string codeOfBytes(const std::string& bytes) {
  return placedCodeOf(readBytes(bytes), "m.safetensors", bytes.size());
}
std::string code(const std::string& header, const std::string& data = "") {
  return codeOfBytes(safetensorsFile(header, data));
}
std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}
const std::string kGood = entry("F32", "[2]", "[0,8]");
const std::string kEight(8, '\0');

TEST(Safetensors, HonestFile) {
  auto header = readBytes(safetensorsFile(R"({"__metadata__":{"format":"pt"},"a":)" + entry("BF16", "[2,3]", "[4,16]") +
                                              R"(,"b":)" + entry("F32", "[]", "[0,4]") + "}  ",
                                          std::string(16, 'x')));
  ASSERT_TRUE(header.isOk()) << header.status().toString();
  ASSERT_EQ(header->tensors.size(), 2u);
  EXPECT_EQ(header->tensors[0].name, "b");
  EXPECT_EQ(header->tensors[1].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header->tensors[1].type, StorageType::BF16);
  EXPECT_EQ(header->tensors[1].bytes, 12u);
}

TEST(Safetensors, ST1_Short) {
  for (size_t n = 0; n < 8; ++n) EXPECT_EQ(codeOfBytes(std::string(n, '\1')), "ST_SHORT");
}
TEST(Safetensors, ST2_HeaderStart) {
  for (const char* header : {"", "[]", " {}", "\xef\xbb\xbf{}", "x"})
    EXPECT_EQ(code(header), "ST_HEADER_START") << header;
}
TEST(Safetensors, ST3_HeaderTooLarge) {
  for (uint64_t length : {uint64_t{100'000'001}, uint64_t{1} << 63, UINT64_MAX})
    EXPECT_EQ(codeOfBytes((bytesOf(length) + "{}")), "ST_HEADER_TOO_LARGE");
}
TEST(Safetensors, ST4_Truncated) {
  EXPECT_EQ(codeOfBytes((bytesOf<uint64_t>(3) + "{}")), "ST_TRUNCATED");
  EXPECT_EQ(code("{\"a\":" + kGood + "}", "1234567"), "ST_TRUNCATED");
}
TEST(Safetensors, ST5_Utf8) {
  EXPECT_EQ(code("{\"a\xff\":" + kGood + "}", kEight), "ST_UTF8");
  EXPECT_EQ(code("{\"a\xed\xa0\x80\":" + kGood + "}", kEight), "ST_UTF8");
  EXPECT_EQ(code(std::string("{\"a\0\":", 6) + kGood + "}", kEight), "ST_UTF8");
}
TEST(Safetensors, ST6_Json) {
  for (const std::string& header : {"{\"a\":" + kGood + ",}", std::string("{"), "{\"a\":" + kGood + "}{}",
                                    "{/*c*/\"a\":" + kGood + "}", std::string("{\"a\":NaN}"), std::string("{\"a\":1}"),
                                    std::string("{\"a\":{\"dtype\":\"F32\"}}"), std::string("{\"a\":{\"extra\":1}}")})
    EXPECT_EQ(code(header, kEight), "ST_JSON") << header;
}
TEST(Safetensors, ST7_Depth) {
  EXPECT_EQ(code("{\"a\":{\"dtype\":\"F32\",\"shape\":" + std::string(10'000, '[')), "ST_DEPTH");
  std::string objects = "{\"a\":";
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  EXPECT_NE(code(objects), "ok");
}
TEST(Safetensors, ST8_Duplicates) {
  EXPECT_EQ(code("{\"a\":" + kGood + ",\"a\":" + kGood + "}", kEight), "ST_DUP");
  EXPECT_EQ(code(R"({"__metadata__":{"x":"1","x":"2"}})"), "ST_DUP");
  EXPECT_EQ(code(R"({"__metadata__":{},"__metadata__":{}})"), "ST_DUP");
  EXPECT_EQ(code(R"({"a":{"dtype":"F32","dtype":"F32"}})"), "ST_DUP");
}
TEST(Safetensors, ST9_TooMany) {
  std::string header = "{";
  for (int i = 0; i < 250'000; ++i)
    header += (i ? ",\"t" : "\"t") + std::to_string(i) + "\":" + entry("F32", "[0]", "[0,0]");
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(code(header + "}"), "ST_TOO_MANY");
  EXPECT_LT(std::chrono::steady_clock::now() - start, kHonestFileTime);
}
TEST(Safetensors, ST10_Offsets) {
  for (const char* offsets : {"[8,0]", "[-1,8]", "[0.0,8]", "[0,8e0]", "[\"0\",8]", "[0,18446744073709551616]",
                              "[0,1e999]", "[0]", "[0,8,8]", "null", "8", "[-0,8]", "[true,8]"})
    EXPECT_EQ(code("{\"a\":" + entry("F32", "[2]", offsets) + "}", kEight), "ST_OFFSET") << offsets;
}
TEST(Safetensors, ST11_Overlap) {
  EXPECT_EQ(code("{\"a\":" + kGood + ",\"b\":" + kGood + "}", kEight), "ST_OVERLAP");
  EXPECT_EQ(code("{\"a\":" + kGood + ",\"b\":" + entry("F32", "[2]", "[4,12]") + "}", kEight + kEight), "ST_OVERLAP");
}
TEST(Safetensors, ST12_Hole) {
  EXPECT_EQ(code("{\"a\":" + kGood + ",\"b\":" + entry("F32", "[1]", "[12,16]") + "}", kEight + kEight), "ST_HOLE");
  EXPECT_EQ(code("{\"a\":" + kGood + "}", kEight + "PK\3\4"), "ST_HOLE");
  EXPECT_EQ(code("{}", "x"), "ST_HOLE");
}
TEST(Safetensors, ST13_ShapeOverflow) {
  for (const char* shape :
       {"[9223372036854775808,2]", "[4398046511105]", "[4294967296,4294967296,2]", "[18446744073709551615]"})
    EXPECT_EQ(code("{\"a\":" + entry("F32", shape, "[0,8]") + "}", kEight), "ST_SHAPE_OVERFLOW") << shape;
  EXPECT_EQ(code("{\"a\":" + entry("F32", "[-1]", "[0,8]") + "}", kEight), "ST_SHAPE");
  EXPECT_EQ(code("{\"a\":" + entry("F32", "[2.0]", "[0,8]") + "}", kEight), "ST_SHAPE");
}
TEST(Safetensors, ST14_Size) {
  EXPECT_EQ(code("{\"a\":" + entry("F32", "[3]", "[0,8]") + "}", kEight), "ST_SIZE");
  EXPECT_EQ(code("{\"a\":" + entry("F4", "[15]", "[0,8]") + "}", kEight), "ST_SIZE");
  EXPECT_EQ(code("{\"a\":" + entry("F4", "[16]", "[0,8]") + "}", kEight), "ok");
}
TEST(Safetensors, ST15_Dtype) {
  for (const char* dtype : {"F33", "f32", "", "F32 "})
    EXPECT_EQ(code("{\"a\":" + entry(dtype, "[2]", "[0,8]") + "}", kEight), "ST_DTYPE") << dtype;
  EXPECT_EQ(code(R"({"a":{"dtype":5,"shape":[2],"data_offsets":[0,8]}})", kEight), "ST_DTYPE");
  EXPECT_EQ(code(R"({"a":{"dtype":null,"shape":[2],"data_offsets":[0,8]}})", kEight), "ST_DTYPE");
}
TEST(Safetensors, ST16_RankAndName) {
  std::string ones = "[1";
  for (int i = 1; i < 1000; ++i) ones += ",1";
  EXPECT_EQ(code("{\"a\":" + entry("F32", ones + "]", "[0,4]") + "}", "1234"), "ST_RANK");
  for (const std::string& name : {std::string(1 << 20, 'n'), std::string("a\\u0001b"), std::string("../../etc/passwd"),
                                  std::string("/abs"), std::string()})
    EXPECT_EQ(code("{\"" + name + "\":" + kGood + "}", kEight), "ST_NAME") << name.substr(0, 30);
}
TEST(Safetensors, ST17_Metadata) {
  for (const char* value : {"1", "null", "true", "{}", "[]", "1.5"})
    EXPECT_EQ(code(std::string(R"({"__metadata__":{"x":)") + value + "}}"), "ST_META") << value;
  EXPECT_EQ(code(R"({"__metadata__":{"x":")" + std::string(50'000'000, 'm') + "\"}}"), "ST_META");
}
TEST(Safetensors, ST18_MisalignedRankZeroAndEmptyAreFine) {
  for (int padding = 0; padding < 8; ++padding)
    EXPECT_EQ(code("{\"a\":" + kGood + ",\"e\":" + entry("F16", "[0,7]", "[8,8]") + "}" +
                       std::string(static_cast<size_t>(padding), ' '),
                   kEight),
              "ok");
  EXPECT_EQ(code("{}"), "ok");
}
TEST(Safetensors, ErrorsNameFileOffsetAndObjectEscaped) {
  auto result = readBytes(safetensorsFile("{\"a\xc3\xa9\":" + entry("F32", "[3]", "[0,8]") + "}", kEight));
  EXPECT_NE(result.status().message().find("m.safetensors: byte 9: 'a\\xc3\\xa9': "), std::string::npos)
      << result.status().message();
  EXPECT_EQ(rt::exitStatus(result.status().kind()), 65);
}
TEST(Safetensors, ErrorsPointAtTheTokenThatIsWrong) {
  struct Case {
    std::string header, wrong;  // the first occurrence of `wrong` is the place
    const char* code;
  };
  const std::string good = "\"a\":" + kGood;
  for (const Case& c : {Case{"{" + good + ",\"b\":7}", "7}", "ST_JSON"},
                        {"{" + good + ",\"b\":" + entry("F32", "[2]", "[8,4]") + "}", "\"b\"", "ST_OFFSET"},
                        {R"({"a":{"dtype":"F32","shape":[-17],"data_offsets":[0,8]}})", "-17", "ST_SHAPE"},
                        {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8.5]}})", "8.5", "ST_OFFSET"},
                        {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,99]}})", "99", "ST_OFFSET"},
                        {R"({"a":{"dtype":false,"shape":[2],"data_offsets":[0,8]}})", "false", "ST_DTYPE"},
                        {R"({"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})", "\"a\"", "ST_DTYPE"},
                        {R"({"a":{"dtype":"F32","dtype":"F32"}})", R"("dtype":"F32"}})", "ST_DUP"},
                        {R"({"a":{"size":8}})", "\"size\"", "ST_JSON"},
                        {R"({"a":{"shape":{"x":1}}})", "{\"x\"", "ST_DEPTH"},
                        {R"({"a":{"shape":[[1]]}})", "[1]", "ST_DEPTH"},
                        {R"({"a":{"dtype":"F32"}})", "}}", "ST_JSON"},
                        {R"({"__metadata__":{"k":[1]}})", "[1]", "ST_META"},
                        {R"({"a":[1]})", "[1]", "ST_JSON"},
                        {"{" + good + ",\"b\":" + entry("F32", "[2]", "[4,12]") + "}", "\"b\"", "ST_OVERLAP"}}) {
    auto result = readBytes(safetensorsFile(c.header, std::string(12, 'x')));
    ASSERT_FALSE(result) << c.header;
    EXPECT_EQ(result.status().code(), c.code) << c.header;
    const std::string place = "/m.safetensors: byte " + std::to_string(8 + c.header.find(c.wrong)) + ": ";
    EXPECT_NE(result.status().message().find(place), std::string::npos) << c.header << "\n"
                                                                        << result.status().message();
  }
  // Both ranges of an overlap are told.
  auto overlap =
      readBytes(safetensorsFile("{" + good + ",\"b\":" + entry("F32", "[2]", "[4,12]") + "}", std::string(12, 'x')));
  EXPECT_NE(overlap.status().message().find("'b': starts at byte 4 of the data, 'a' ends at 8"), std::string::npos);
  // What belongs to no tensor has a place in the data.
  auto hole = readBytes(safetensorsFile("{" + good + "}", std::string(10, 'x')));
  EXPECT_NE(
      hole.status().message().find("/m.safetensors: byte " + std::to_string(8 + good.size() + 2 + 8) + ": 2 bytes"),
      std::string::npos)
      << hole.status().message();
}
TEST(Safetensors, HonestHundredThousandTensorsAreQuick) {  // A6
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i)
    header += (i ? ",\"model.layers.t" : "\"model.layers.t") + std::to_string(i) +
              "\":" + entry("F32", "[1]", "[" + std::to_string(4 * i) + "," + std::to_string(4 * i + 4) + "]");
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(code(header + "}", std::string(400'000, '\0')), "ok");
  EXPECT_LT(std::chrono::steady_clock::now() - start, kHonestFileTime);
}

}  // namespace
}  // namespace llmc
