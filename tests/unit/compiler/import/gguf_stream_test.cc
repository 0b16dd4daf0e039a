// Reading of GGUF metadata: windows, ends, limits, and files cut anywhere (row GG4).
#include "compiler/import/GgufStream.h"

#include "tests/unit/compiler/import/gguf_cases.h"

namespace llmc {
namespace {

TEST(GgufStream, NumbersAndTextsFollowEachOther) {
  const std::string far(200'000, 'x');  // longer than what is read at once
  TempFolder folder;
  auto file = SourceFile::open(folder.write("m.gguf", bytesOf<uint32_t>(7) + GgufWriter::text(far) + bytesOf(0.5)));
  ASSERT_TRUE(file);
  GgufStream in(**file);
  uint32_t number = 0;
  std::string text;
  double real = 0;
  ASSERT_TRUE(in.number(number));
  EXPECT_EQ(number, 7u);
  EXPECT_EQ(in.offset(), 4u);
  ASSERT_TRUE(in.string(text, far.size(), "GG_LIMIT"));
  EXPECT_EQ(text, far);
  ASSERT_TRUE(in.number(real));
  EXPECT_EQ(real, 0.5);
  EXPECT_EQ(in.remaining(), 0u);
}
TEST(GgufStream, EndsAndLimitsAreErrorsWithTheirPlace) {
  TempFolder folder;
  const std::string path = folder.write("m.gguf", GgufWriter::text("abcd") + "xyz");
  auto file = SourceFile::open(path);
  ASSERT_TRUE(file);
  std::string text;
  GgufStream limited(**file);
  EXPECT_EQ(codeOf(limited.string(text, 3, "GG_LIMIT")), "GG_LIMIT");
  GgufStream in(**file);
  ASSERT_TRUE(in.string(text, 4, "GG_LIMIT"));
  uint32_t number = 0;
  const auto status = in.number(number);
  EXPECT_EQ(codeOf(status), "GG_TRUNCATED");
  EXPECT_NE(status.message().find(path + ": byte 12: "), std::string::npos) << status.message();
}

TEST(GgufStream, GG4_CutAnywhere) {
  GgufWriter w;
  w.string("k", std::string(100, 'v'));
  w.i32s("i", {1, 2, 3});
  w.tensor("t", {8}, 0, std::string(32, '\0'));
  std::string bytes = w.build();
  size_t metadata = bytes.size() - 32;
  ASSERT_EQ(ggufBytesCode(bytes), "ok");
  for (size_t length = 4; length < bytes.size(); ++length) {
    std::string code = ggufBytesCode(bytes.substr(0, length));
    if (length <= metadata - 32)
      EXPECT_EQ(code, "GG_TRUNCATED") << length;
    else
      EXPECT_TRUE(code == "GG_OFFSET" || code == "GG_TRUNCATED") << length << code;
  }
}

}  // namespace
}  // namespace llmc
