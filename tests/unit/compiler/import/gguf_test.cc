// Hostile GGUF files: rows GG1 to GG15 and GG20 of the catalogue.
#include "compiler/import/Gguf.h"

#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

std::string codeOfBytes(const std::string& bytes) {
  TempFolder folder;
  auto file = SourceFile::open(folder.write("m.gguf", bytes));
  return file ? placedCodeOf(readGguf(*file), "m.gguf", bytes.size()) : codeOf(file);
}
std::string code(const GgufWriter& writer) { return codeOfBytes(writer.build()); }
/// One F32 tensor "t" of 8 values and one key.
GgufWriter small() {
  GgufWriter w;
  w.u32("a.b", 1);
  w.tensor("t", {8}, 0, std::string(32, '\0'));
  return w;
}
std::string withKey(const std::string& key, uint32_t type, const std::string& value) {
  GgufWriter w = small();
  w.raw(key, type, value);
  return code(w);
}
std::string withTensor(const std::string& info) {
  GgufWriter w = small();
  w.tensorInfos.push_back(info);
  w.data += std::string(64, '\0');
  return code(w);
}

TEST(Gguf, HonestFilesOfBothVersions) {
  for (uint32_t version : {2u, 3u}) {
    GgufWriter w = small();
    w.version = version;
    w.strings("s", {"x", "y"});
    w.raw("nested", 9,
          bytesOf<uint32_t>(9) + bytesOf<uint64_t>(1) + bytesOf<uint32_t>(0) + bytesOf<uint64_t>(2) + "ab");
    EXPECT_EQ(code(w), "ok");
  }
}
TEST(Gguf, GG1_MagicVersionEndian) {
  for (const char* bytes : {"", "GG", "GGUX", "ggml"}) EXPECT_EQ(codeOfBytes(bytes), "GG_MAGIC") << bytes;
  for (uint32_t version : {0u, 1u, 4u}) {
    GgufWriter w = small();
    w.version = version;
    EXPECT_EQ(code(w), "GG_VERSION");
  }
  GgufWriter w = small();
  w.version = 0x03000000;
  EXPECT_EQ(code(w), "GG_ENDIAN");
  w.magic = 0x47475546;
  EXPECT_EQ(code(w), "GG_ENDIAN");
}
TEST(Gguf, GG2_Counts) {
  // What no file can have, and what a longer one could: this one was cut.
  for (auto [count, expected] : {std::pair{UINT64_MAX - 1, "GG_COUNT"}, std::pair{uint64_t{1000}, "GG_TRUNCATED"}}) {
    GgufWriter tensors = small(), keys = small();
    tensors.tensorCount = count;
    keys.keyCount = count;
    EXPECT_EQ(code(tensors), expected);
    EXPECT_EQ(code(keys), expected);
  }
}
TEST(Gguf, GG3_Keys) {
  EXPECT_EQ(withKey("", 4, bytesOf<uint32_t>(1)), "GG_KEY");
  EXPECT_EQ(withKey(std::string(65'536, 'k'), 4, bytesOf<uint32_t>(1)), "GG_KEY");
  EXPECT_EQ(withKey("caf\xc3\xa9", 4, bytesOf<uint32_t>(1)), "GG_KEY");
  GgufWriter w = small();
  w.keyValues[0] = bytesOf(UINT64_MAX) + std::string(40, 'k');
  EXPECT_EQ(code(w), "GG_KEY");
}
TEST(Gguf, GG4_CutAnywhere) {
  GgufWriter w;
  w.string("k", std::string(100, 'v'));
  w.i32s("i", {1, 2, 3});
  w.tensor("t", {8}, 0, std::string(32, '\0'));
  std::string bytes = w.build();
  size_t metadata = bytes.size() - 32;
  ASSERT_EQ(codeOfBytes(bytes), "ok");
  for (size_t length = 4; length < bytes.size(); ++length) {
    std::string code = codeOfBytes(bytes.substr(0, length));
    if (length <= metadata - 32)
      EXPECT_EQ(code, "GG_TRUNCATED") << length;
    else
      EXPECT_TRUE(code == "GG_OFFSET" || code == "GG_TRUNCATED") << length << code;
  }
}
TEST(Gguf, GG5_Types) {
  for (uint32_t type : {13u, 255u, UINT32_MAX}) EXPECT_EQ(withKey("x", type, std::string(8, '\0')), "GG_TYPE");
  EXPECT_EQ(withKey("x", 7, "\7"), "GG_TYPE");
  EXPECT_EQ(withKey("x", 9, bytesOf<uint32_t>(7) + bytesOf<uint64_t>(1) + "\2"), "GG_TYPE");
  std::string nested;
  for (int i = 0; i < 100; ++i) nested += bytesOf<uint32_t>(9) + bytesOf<uint64_t>(1);
  EXPECT_EQ(withKey("x", 9, nested), "GG_TYPE");
  EXPECT_EQ(withKey("x", 9, bytesOf<uint32_t>(77) + bytesOf<uint64_t>(1)), "GG_TYPE");
}
TEST(Gguf, GG6_Arrays) {
  for (uint64_t count : {uint64_t{1} << 61, UINT64_MAX, uint64_t{16'000'001}}) {
    EXPECT_EQ(withKey("x", 9, bytesOf<uint32_t>(10) + bytesOf(count)), "GG_ARRAY");
    EXPECT_EQ(withKey("x", 9, bytesOf<uint32_t>(8) + bytesOf(count)), "GG_ARRAY");
  }
  EXPECT_EQ(withKey("x", 9, bytesOf<uint32_t>(10) + bytesOf<uint64_t>(1'000'000)), "GG_TRUNCATED");
}
TEST(Gguf, GG8_Duplicates) {
  EXPECT_EQ(withKey("a.b", 4, bytesOf<uint32_t>(1)), "GG_DUP");
  EXPECT_EQ(withTensor(GgufWriter::info("t", {8}, 0, 32)), "GG_DUP");
}
TEST(Gguf, GG9_Alignment) {
  for (uint32_t alignment : {0u, 13u, 4u, 1u << 31})
    EXPECT_EQ(withKey("general.alignment", 4, bytesOf(alignment)), "GG_ALIGN") << alignment;
  EXPECT_EQ(withKey("general.alignment", 10, bytesOf<uint64_t>(32)), "GG_ALIGN");
  GgufWriter w;
  w.alignment = 64;
  w.u32("general.alignment", 64);
  w.tensor("t", {8}, 0, std::string(32, '\0'));
  w.tensor("u", {8}, 0, std::string(32, '\0'));
  EXPECT_EQ(code(w), "ok");
}
TEST(Gguf, GG10_Shapes) {
  auto info = [](uint32_t rank, const std::vector<uint64_t>& dims) {
    std::string bytes = GgufWriter::text("u") + bytesOf(rank);
    for (uint64_t d : dims) bytes += bytesOf(d);
    return bytes + bytesOf<uint32_t>(0) + bytesOf<uint64_t>(32);
  };
  EXPECT_EQ(withTensor(info(0, {})), "GG_SHAPE");
  EXPECT_EQ(withTensor(info(5, {1, 1, 1, 1, 1})), "GG_SHAPE");
  EXPECT_EQ(withTensor(info(UINT32_MAX, {1})), "GG_SHAPE");
  for (uint64_t d : {uint64_t{0}, UINT64_MAX, (uint64_t{1} << 42) + 1}) EXPECT_EQ(withTensor(info(1, {d})), "GG_SHAPE");
}
TEST(Gguf, GG11_Blocks) {
  EXPECT_EQ(withTensor(GgufWriter::info("u", {33, 2}, 2, 32)), "GG_BLOCK");
  // K types: rows of whole 256s, whatever the whole tensor would divide into.
  for (uint32_t type : {12u, 13u, 14u})
    for (uint64_t row : {uint64_t{32}, uint64_t{128}, uint64_t{255}, uint64_t{576}})
      EXPECT_EQ(withTensor(GgufWriter::info("u", {row, 256}, type, 32)), "GG_BLOCK") << type << " " << row;
  EXPECT_EQ(withTensor(GgufWriter::info("u", {48, 2}, 6, 32)), "GG_BLOCK");
}
TEST(Gguf, GG11_SizesOfEveryType) {
  struct Case {
    uint32_t type;
    uint64_t row;
    size_t bytes;
  };
  for (auto [type, row, bytes] :
       {Case{6, 32, 22}, Case{7, 32, 24}, Case{12, 256, 144}, Case{13, 256, 176}, Case{14, 512, 420}}) {
    GgufWriter whole = small(), cut = small();
    whole.tensor("u", {row, 3}, type, std::string(3 * bytes, '\0'));
    EXPECT_EQ(code(whole), "ok") << type;
    cut.tensorInfos.push_back(GgufWriter::info("u", {row, 3}, type, 32));
    cut.data += std::string(3 * bytes - 1, '\0');
    EXPECT_EQ(code(cut), "GG_OFFSET") << type;
  }
}
TEST(Gguf, GG12_TensorTypes) {
  for (uint32_t type : {4u, 31u, 36u, 9999u, 10u, 11u, 15u, UINT32_MAX})
    EXPECT_EQ(withTensor(GgufWriter::info("u", {256}, type, 32)), "GG_DTYPE") << type;
  TempFolder folder;
  GgufWriter w;
  w.tensor("u", {256}, 11, std::string(110, '\0'));
  auto result = readGguf(*SourceFile::open(folder.write("m.gguf", w.build())));
  EXPECT_NE(result.status().message().find("Q3_K"), std::string::npos);
  EXPECT_NE(result.status().hint().find("Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K"), std::string::npos);
}
TEST(Gguf, GG13_SizesThatWrap) {
  uint64_t big = uint64_t{1} << 42;
  EXPECT_EQ(withTensor(GgufWriter::info("u", {big, big}, 0, 32)), "GG_SHAPE");
  EXPECT_EQ(withTensor(GgufWriter::info("u", {big, uint64_t{1} << 22, 1}, 0, 32)), "GG_SHAPE");
  GgufWriter w = small();  // two sizes of just under 2^63
  w.tensorInfos.push_back(GgufWriter::info("u", {(uint64_t{1} << 41) - 16, uint64_t{1} << 20}, 0, 32));
  w.tensorInfos.push_back(GgufWriter::info("v", {(uint64_t{1} << 41) - 16, uint64_t{1} << 20}, 0, 64));
  w.tensorInfos.push_back(GgufWriter::info("x", {(uint64_t{1} << 41) - 16, uint64_t{1} << 20}, 0, 64));
  EXPECT_EQ(code(w), "GG_SHAPE");
}
TEST(Gguf, GG14_Offsets) {
  for (uint64_t offset : {uint64_t{8}, uint64_t{0}, uint64_t{64}, UINT64_MAX - 31})
    EXPECT_EQ(withTensor(GgufWriter::info("u", {8}, 0, offset)), "GG_OFFSET") << offset;
  EXPECT_EQ(withTensor(GgufWriter::info("u", {1 << 20}, 0, 32)), "GG_OFFSET");
}
TEST(Gguf, GG15_Names) {
  EXPECT_EQ(withTensor(GgufWriter::info(std::string(64, 'n'), {8}, 0, 32)), "GG_NAME");
  EXPECT_EQ(withTensor(GgufWriter::info("", {8}, 0, 32)), "GG_NAME");
  EXPECT_EQ(withTensor(GgufWriter::info("a\nb", {8}, 0, 32)), "GG_NAME");
}
TEST(Gguf, GG18_Split) {
  EXPECT_EQ(withKey("split.count", 2, bytesOf<uint16_t>(65'535)), "GG_SPLIT");
  EXPECT_EQ(withKey("split.count", 2, bytesOf<uint16_t>(2)), "GG_SPLIT");
  EXPECT_EQ(withKey("split.count", 2, bytesOf<uint16_t>(1)), "ok");
}
TEST(Gguf, GG20_TrailingAndTooLong) {
  EXPECT_EQ(codeOfBytes(small().build() + std::string(1, 'x')), "GG_TRAILING");
  EXPECT_EQ(withKey("x", 8, GgufWriter::text(std::string(100'000'000, 's'))), "GG_LIMIT");
}

}  // namespace
}  // namespace llmc
