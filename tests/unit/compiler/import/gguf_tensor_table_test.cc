// The tensor table of GGUF files: rows GG10 to GG15 of the catalogue.
#include "compiler/import/GgufTensorTable.h"

#include "tests/unit/compiler/import/gguf_cases.h"

namespace llmc {
namespace {

TEST(GgufTensorTable, GG10_Shapes) {
  auto info = [](uint32_t rank, const std::vector<uint64_t>& dims) {
    std::string bytes = GgufWriter::text("u") + bytesOf(rank);
    for (uint64_t d : dims) bytes += bytesOf(d);
    return bytes + bytesOf<uint32_t>(0) + bytesOf<uint64_t>(32);
  };
  EXPECT_EQ(ggufWithTensor(info(0, {})), "GG_SHAPE");
  EXPECT_EQ(ggufWithTensor(info(5, {1, 1, 1, 1, 1})), "GG_SHAPE");
  EXPECT_EQ(ggufWithTensor(info(UINT32_MAX, {1})), "GG_SHAPE");
  for (uint64_t d : {uint64_t{0}, UINT64_MAX, (uint64_t{1} << 42) + 1})
    EXPECT_EQ(ggufWithTensor(info(1, {d})), "GG_SHAPE");
}

TEST(GgufTensorTable, GG11_Blocks) {
  EXPECT_EQ(ggufWithTensor(GgufWriter::info("u", {33, 2}, 2, 32)), "GG_BLOCK");
  // K types: rows of whole 256s, whatever the whole tensor would divide into.
  for (uint32_t type : {12u, 13u, 14u})
    for (uint64_t row : {uint64_t{32}, uint64_t{128}, uint64_t{255}, uint64_t{576}})
      EXPECT_EQ(ggufWithTensor(GgufWriter::info("u", {row, 256}, type, 32)), "GG_BLOCK") << type << " " << row;
  EXPECT_EQ(ggufWithTensor(GgufWriter::info("u", {48, 2}, 6, 32)), "GG_BLOCK");
}

TEST(GgufTensorTable, GG11_SizesOfEveryType) {
  struct Case {
    uint32_t type;
    uint64_t row;
    size_t bytes;
  };
  for (auto [type, row, bytes] :
       {Case{6, 32, 22}, Case{7, 32, 24}, Case{12, 256, 144}, Case{13, 256, 176}, Case{14, 512, 420}}) {
    GgufWriter whole = smallGguf(), cut = smallGguf();
    whole.tensor("u", {row, 3}, type, std::string(3 * bytes, '\0'));
    EXPECT_EQ(ggufCode(whole), "ok") << type;
    cut.tensorInfos.push_back(GgufWriter::info("u", {row, 3}, type, 32));
    cut.data += std::string(3 * bytes - 1, '\0');
    EXPECT_EQ(ggufCode(cut), "GG_OFFSET") << type;
  }
}

TEST(GgufTensorTable, GG12_TensorTypes) {
  for (uint32_t type : {4u, 31u, 36u, 9999u, 10u, 11u, 15u, UINT32_MAX})
    EXPECT_EQ(ggufWithTensor(GgufWriter::info("u", {256}, type, 32)), "GG_DTYPE") << type;
  TempFolder folder;
  GgufWriter w;
  w.tensor("u", {256}, 11, std::string(110, '\0'));
  auto result = readGguf(*SourceFile::open(folder.write("m.gguf", w.build())));
  EXPECT_NE(result.status().message().find("Q3_K"), std::string::npos);
  EXPECT_NE(result.status().hint().find("Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K"), std::string::npos);
}

TEST(GgufTensorTable, GG13_SizesThatWrap) {
  uint64_t big = uint64_t{1} << 42;
  EXPECT_EQ(ggufWithTensor(GgufWriter::info("u", {big, big}, 0, 32)), "GG_SHAPE");
  EXPECT_EQ(ggufWithTensor(GgufWriter::info("u", {big, uint64_t{1} << 22, 1}, 0, 32)), "GG_SHAPE");
  GgufWriter w = smallGguf();  // two sizes of just under 2^63
  w.tensorInfos.push_back(GgufWriter::info("u", {(uint64_t{1} << 41) - 16, uint64_t{1} << 20}, 0, 32));
  w.tensorInfos.push_back(GgufWriter::info("v", {(uint64_t{1} << 41) - 16, uint64_t{1} << 20}, 0, 64));
  w.tensorInfos.push_back(GgufWriter::info("x", {(uint64_t{1} << 41) - 16, uint64_t{1} << 20}, 0, 64));
  EXPECT_EQ(ggufCode(w), "GG_SHAPE");
}

TEST(GgufTensorTable, GG14_Offsets) {
  for (uint64_t offset : {uint64_t{8}, uint64_t{0}, uint64_t{64}, UINT64_MAX - 31})
    EXPECT_EQ(ggufWithTensor(GgufWriter::info("u", {8}, 0, offset)), "GG_OFFSET") << offset;
  EXPECT_EQ(ggufWithTensor(GgufWriter::info("u", {1 << 20}, 0, 32)), "GG_OFFSET");
}

TEST(GgufTensorTable, GG15_Names) {
  EXPECT_EQ(ggufWithTensor(GgufWriter::info(std::string(64, 'n'), {8}, 0, 32)), "GG_NAME");
  EXPECT_EQ(ggufWithTensor(GgufWriter::info("", {8}, 0, 32)), "GG_NAME");
  EXPECT_EQ(ggufWithTensor(GgufWriter::info("a\nb", {8}, 0, 32)), "GG_NAME");
}

}  // namespace
}  // namespace llmc
