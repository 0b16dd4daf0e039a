// The JSON of safetensors headers: rows ST6 to ST8 and ST17 of the catalogue, and places of errors.
#include "tests/unit/compiler/import/safetensors_cases.h"

namespace llmc {
namespace {

TEST(SafetensorsParser, ST6_Json) {
  for (const std::string& header :
       {"{\"a\":" + kGoodEntry + ",}", std::string("{"), "{\"a\":" + kGoodEntry + "}{}",
        "{/*c*/\"a\":" + kGoodEntry + "}", std::string("{\"a\":NaN}"), std::string("{\"a\":1}"),
        std::string("{\"a\":{\"dtype\":\"F32\"}}"), std::string("{\"a\":{\"extra\":1}}")})
    EXPECT_EQ(safetensorsCode(header, kEightBytes), "ST_JSON") << header;
  // A NUL ends the text to the parser: what stands behind it must not pass unread.
  const std::string hidden = "{\"a\":" + kGoodEntry + "}" + std::string(1, '\0') + "{\"b\":1}";
  EXPECT_EQ(safetensorsCode(hidden, kEightBytes), "ST_UTF8");
}

TEST(SafetensorsParser, ST7_Depth) {
  EXPECT_EQ(safetensorsCode("{\"a\":{\"dtype\":\"F32\",\"shape\":" + std::string(10'000, '[')), "ST_DEPTH");
  std::string objects = "{\"a\":";
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  EXPECT_NE(safetensorsCode(objects), "ok");
}

TEST(SafetensorsParser, ST8_Duplicates) {
  EXPECT_EQ(safetensorsCode("{\"a\":" + kGoodEntry + ",\"a\":" + kGoodEntry + "}", kEightBytes), "ST_DUP");
  EXPECT_EQ(safetensorsCode(R"({"__metadata__":{"x":"1","x":"2"}})"), "ST_DUP");
  EXPECT_EQ(safetensorsCode(R"({"__metadata__":{},"__metadata__":{}})"), "ST_DUP");
  EXPECT_EQ(safetensorsCode(R"({"a":{"dtype":"F32","dtype":"F32"}})"), "ST_DUP");
}

TEST(SafetensorsParser, ST17_Metadata) {
  for (const char* value : {"1", "null", "true", "{}", "[]", "1.5"})
    EXPECT_EQ(safetensorsCode(std::string(R"({"__metadata__":{"x":)") + value + "}}"), "ST_META") << value;
  EXPECT_EQ(safetensorsCode(R"({"__metadata__":{"x":")" + std::string(50'000'000, 'm') + "\"}}"), "ST_META");
}

TEST(SafetensorsParser, ErrorsNameFileOffsetAndObjectEscaped) {
  auto result =
      safetensorsOf(safetensorsFile("{\"a\xc3\xa9\":" + tensorEntry("F32", "[3]", "[0,8]") + "}", kEightBytes));
  EXPECT_NE(result.status().message().find("m.safetensors: byte 9: 'a\\xc3\\xa9': "), std::string::npos)
      << result.status().message();
  EXPECT_EQ(rt::exitStatus(result.status().kind()), 65);
}

TEST(SafetensorsParser, ErrorsPointAtTheTokenThatIsWrong) {
  struct Case {
    std::string header, wrong;  // the first occurrence of `wrong` is the place
    const char* code;
  };
  const std::string good = "\"a\":" + kGoodEntry;
  for (const Case& c : {Case{"{" + good + ",\"b\":7}", "7}", "ST_JSON"},
                        {"{" + good + ",\"b\":" + tensorEntry("F32", "[2]", "[8,4]") + "}", "\"b\"", "ST_OFFSET"},
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
                        {"{" + good + ",\"b\":" + tensorEntry("F32", "[2]", "[4,12]") + "}", "\"b\"", "ST_OVERLAP"}}) {
    auto result = safetensorsOf(safetensorsFile(c.header, std::string(12, 'x')));
    ASSERT_FALSE(result) << c.header;
    EXPECT_EQ(result.status().code(), c.code) << c.header;
    const std::string place = "/m.safetensors: byte " + std::to_string(8 + c.header.find(c.wrong)) + ": ";
    EXPECT_NE(result.status().message().find(place), std::string::npos) << c.header << "\n"
                                                                        << result.status().message();
  }
  // Both ranges of an overlap are told.
  auto overlap = safetensorsOf(
      safetensorsFile("{" + good + ",\"b\":" + tensorEntry("F32", "[2]", "[4,12]") + "}", std::string(12, 'x')));
  EXPECT_NE(overlap.status().message().find("'b': starts at byte 4 of the data, 'a' ends at 8"), std::string::npos);
  // What belongs to no tensor has a place in the data.
  auto hole = safetensorsOf(safetensorsFile("{" + good + "}", std::string(10, 'x')));
  EXPECT_NE(
      hole.status().message().find("/m.safetensors: byte " + std::to_string(8 + good.size() + 2 + 8) + ": 2 bytes"),
      std::string::npos)
      << hole.status().message();
}

}  // namespace
}  // namespace llmc
