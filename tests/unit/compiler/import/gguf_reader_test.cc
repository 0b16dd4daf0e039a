// GGUF files up to their tensors, honest and hostile: rows GG1 to GG9, GG18 and GG20 of the catalogue.
#include "tests/unit/compiler/import/gguf_cases.h"

namespace llmc {
namespace {

TEST(GgufReader, HonestFilesOfBothVersions) {
  for (uint32_t version : {2u, 3u}) {
    GgufWriter w = smallGguf();
    w.version = version;
    w.strings("s", {"x", "y"});
    w.raw("nested", 9,
          bytesOf<uint32_t>(9) + bytesOf<uint64_t>(1) + bytesOf<uint32_t>(0) + bytesOf<uint64_t>(2) + "ab");
    EXPECT_EQ(ggufCode(w), "ok");
  }
}

TEST(GgufReader, GG1_MagicVersionEndian) {
  for (const char* bytes : {"", "GG", "GGUX", "ggml"}) EXPECT_EQ(ggufBytesCode(bytes), "GG_MAGIC") << bytes;
  for (uint32_t version : {0u, 1u, 4u}) {
    GgufWriter w = smallGguf();
    w.version = version;
    EXPECT_EQ(ggufCode(w), "GG_VERSION");
  }
  GgufWriter w = smallGguf();
  w.version = 0x03000000;
  EXPECT_EQ(ggufCode(w), "GG_ENDIAN");
  w.magic = 0x47475546;
  EXPECT_EQ(ggufCode(w), "GG_ENDIAN");
}

TEST(GgufReader, GG2_Counts) {
  // What no file can have, and what a longer one could: this one was cut.
  for (auto [count, expected] : {std::pair{UINT64_MAX - 1, "GG_COUNT"}, std::pair{uint64_t{1000}, "GG_TRUNCATED"}}) {
    GgufWriter tensors = smallGguf(), keys = smallGguf();
    tensors.tensorCount = count;
    keys.keyCount = count;
    EXPECT_EQ(ggufCode(tensors), expected);
    EXPECT_EQ(ggufCode(keys), expected);
  }
}

TEST(GgufReader, GG3_Keys) {
  EXPECT_EQ(ggufWithKey("", 4, bytesOf<uint32_t>(1)), "GG_KEY");
  EXPECT_EQ(ggufWithKey(std::string(65'536, 'k'), 4, bytesOf<uint32_t>(1)), "GG_KEY");
  EXPECT_EQ(ggufWithKey("caf\xc3\xa9", 4, bytesOf<uint32_t>(1)), "GG_KEY");
  GgufWriter w = smallGguf();
  w.keyValues[0] = bytesOf(UINT64_MAX) + std::string(40, 'k');
  EXPECT_EQ(ggufCode(w), "GG_KEY");
}

TEST(GgufReader, GG5_Types) {
  for (uint32_t type : {13u, 255u, UINT32_MAX}) EXPECT_EQ(ggufWithKey("x", type, std::string(8, '\0')), "GG_TYPE");
  EXPECT_EQ(ggufWithKey("x", 7, "\7"), "GG_TYPE");
  EXPECT_EQ(ggufWithKey("x", 9, bytesOf<uint32_t>(7) + bytesOf<uint64_t>(1) + "\2"), "GG_TYPE");
  std::string nested;
  for (int i = 0; i < 100; ++i) nested += bytesOf<uint32_t>(9) + bytesOf<uint64_t>(1);
  EXPECT_EQ(ggufWithKey("x", 9, nested), "GG_TYPE");
  EXPECT_EQ(ggufWithKey("x", 9, bytesOf<uint32_t>(77) + bytesOf<uint64_t>(1)), "GG_TYPE");
}

TEST(GgufReader, GG6_Arrays) {
  for (uint64_t count : {uint64_t{1} << 61, UINT64_MAX, uint64_t{16'000'001}}) {
    EXPECT_EQ(ggufWithKey("x", 9, bytesOf<uint32_t>(10) + bytesOf(count)), "GG_ARRAY");
    EXPECT_EQ(ggufWithKey("x", 9, bytesOf<uint32_t>(8) + bytesOf(count)), "GG_ARRAY");
  }
  EXPECT_EQ(ggufWithKey("x", 9, bytesOf<uint32_t>(10) + bytesOf<uint64_t>(1'000'000)), "GG_TRUNCATED");
}

TEST(GgufReader, GG8_Duplicates) {
  EXPECT_EQ(ggufWithKey("a.b", 4, bytesOf<uint32_t>(1)), "GG_DUP");
  EXPECT_EQ(ggufWithTensor(GgufWriter::info("t", {8}, 0, 32)), "GG_DUP");
}

TEST(GgufReader, GG9_Alignment) {
  for (uint32_t alignment : {0u, 13u, 4u, 1u << 31})
    EXPECT_EQ(ggufWithKey("general.alignment", 4, bytesOf(alignment)), "GG_ALIGN") << alignment;
  EXPECT_EQ(ggufWithKey("general.alignment", 10, bytesOf<uint64_t>(32)), "GG_ALIGN");
  GgufWriter w;
  w.alignment = 64;
  w.u32("general.alignment", 64);
  w.tensor("t", {8}, 0, std::string(32, '\0'));
  w.tensor("u", {8}, 0, std::string(32, '\0'));
  EXPECT_EQ(ggufCode(w), "ok");
}

TEST(GgufReader, GG18_Split) {
  EXPECT_EQ(ggufWithKey("split.count", 2, bytesOf<uint16_t>(65'535)), "GG_SPLIT");
  EXPECT_EQ(ggufWithKey("split.count", 2, bytesOf<uint16_t>(2)), "GG_SPLIT");
  EXPECT_EQ(ggufWithKey("split.count", 2, bytesOf<uint16_t>(1)), "ok");
}

TEST(GgufReader, GG20_TrailingAndTooLong) {
  EXPECT_EQ(ggufBytesCode(smallGguf().build() + std::string(1, 'x')), "GG_TRAILING");
  EXPECT_EQ(ggufWithKey("x", 8, GgufWriter::text(std::string(100'000'000, 's'))), "GG_LIMIT");
}

}  // namespace
}  // namespace llmc
