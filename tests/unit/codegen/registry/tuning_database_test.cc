// Databases: what is written is read back; each fault is told with its line.
#include "codegen/registry/TuningDatabase.h"

#include "gtest/gtest.h"
#include <filesystem>
#include <fstream>

namespace llmc {
namespace {

const char kLine[] = "cpu x86-64-v4-vnni linear 960x576,q4n16k4-asym,int8 64 tile_rows=6 prefetch_bytes=0";

rt::Result<TuningDatabase> parse(const std::string &records) {
  return TuningDatabase::parse("# made by hand\nllmc-tuning 1\n" + records, "a.tuning");
}

TEST(TuningDatabase, ReadsWhatItPrints) {
  auto database = parse(std::string(kLine) + "  # 12 us\r\n\n" +
                        "cuda sm_90a linear anything 8 stages=3\n"
                        "cpu x86-64-v3 linear 1024x3072,bf16n16k2,f32 0 group_block=16\n"
                        "cpu x86-64-v4-vnni-bf16 linear 1024x3072,bf16n16k2,bf16 0 tile_panels=2 tile_rows=8");
  ASSERT_TRUE(database) << database.status().toString();
  ASSERT_EQ(database->records().size(), 4u);
  const TuningRecord &first = database->records()[0];
  EXPECT_EQ(first.print(), kLine);
  EXPECT_EQ(first.mMax, 64);
  ASSERT_EQ(first.numbers.size(), 2u);
  EXPECT_EQ(first.numbers[0].name, "tile_rows");
  EXPECT_EQ(first.numbers[1].value, 0);
  MatmulShape shape{960, 576, Layout::Q4N16K4Asym, ActKind::Int8};
  EXPECT_EQ(first.shape, productKey(shape));
  EXPECT_EQ(database->find("cpu", "x86-64-v4-vnni", "linear", productKey(shape), 64), &first);
  EXPECT_EQ(database->find("cpu", "x86-64-v4-vnni", "linear", productKey(shape), 16), nullptr);
  EXPECT_EQ(database->find("cpu", "x86-64-v4", "linear", productKey(shape), 64), nullptr);
  EXPECT_EQ(database->records()[1].print(), "cuda sm_90a linear anything 8 stages=3");
  // Inputs that may be rounded are another product than those that may not.
  MatmulShape rounded{1024, 3072, Layout::BF16N16K2, ActKind::F32};
  rounded.bf16Products = true;
  EXPECT_EQ(database->find("cpu", "x86-64-v4-vnni-bf16", "linear", productKey(rounded), 0), &database->records()[3]);
  EXPECT_EQ(database->find("cpu", "x86-64-v3", "linear", productKey(rounded), 0), nullptr);
}

TEST(TuningDatabase, TellsTheLineAndWhatIsWrong) {
  const std::string at = "cpu x86-64-v4-vnni linear 960x576,q4n16k4-asym,int8 ";
  const std::pair<std::string, std::string> cases[] = {
      {"cpu x86-64-v3 linear", "a.tuning:3: expected TARGET ARCH FAMILY SHAPE M_MAX NAME=VALUE..., found 3 words"},
      {std::string(kLine) + "\n" + kLine, "a.tuning:4: a second record of x86-64-v4-vnni 960x576"},
      {"tpu v5 linear x 1 a=1", "expected the target cpu or cuda, found 'tpu'"},
      {"cuda v3 linear x 1 a=1", "expected an architecture such as sm_90a, found 'v3'"},
      {"cpu x86-64-v9 linear 960x576,q4n16k4-asym,int8 64 tile_rows=6", "unknown CPU level 'x86-64-v9'"},
      {"cpu x86-64-v3 attend 960x576,q4n16k4-asym,int8 64 tile_rows=6", "expected the family linear, found 'attend'"},
      {"cpu x86-64-v3 linear 960x0,q4n16k4-asym,int8 64 tile_rows=6", "expected a product such as"},
      {"cpu x86-64-v3 linear 960x99999999999999999999,q4n16k4-asym,int8 64 tile_rows=6", "expected a product such as"},
      {"cpu x86-64-v3 linear 960x576,q4,int8 64 tile_rows=6", "expected a product such as"},
      {"cpu x86-64-v3 linear 960x576,plain,f32 64 tile_rows=6", "expected a product such as"},
      {"cpu x86-64-v3 linear 960x576,bf16n16k2,int8 64 tile_rows=6", "expected a product such as"},
      {"cpu x86-64-v3 linear 960x576,f16n16,bf16 64 tile_rows=6", "expected a product such as"},
      {at + "5 tile_rows=1", "expected a row class of 1, 4, 16, 64 or 0, found 5"},
      {at + "many tile_rows=1", "expected the most rows of a class (0: any), found 'many'"},
      {at + "64 tile_rows", "expected NAME=VALUE with a number up to 2147483647, found 'tile_rows'"},
      {at + "64 tile_rows=-1", "expected NAME=VALUE"},
      {at + "64 tile_rows=9223372036854775808", "expected NAME=VALUE"},
      {at + "64 tile_rows=2 tile_rows=2", "tile_rows was given twice"},
      {at + "64 tile_columns=2", "unknown number 'tile_columns'"},
      {at + "64 tile_rows=0", "tile_rows 0: expected 1 to 12"},
      {at + "4 tile_rows=8", "tile_rows 8: expected 1 to 4"},
      {at + "0 row_block=50", "row_block 50: expected a multiple of tile_rows (8), at most 1024"},
      {at + "64 row_block=8", "row_block 8: expected all 64 rows of the class"},
      {at + "4 row_scales=1", "row_scales 1: expected 0"},
      {at + "64 group_block=8", "group_block 8: expected 0 where sums stay in registers"},
      {at + "64 unpack=1", "unpack 1: expected 0"},
      {at + "64 prefetch_bytes=100", "prefetch_bytes 100: expected a multiple of 64"},
      {at + "64 tile_rows=4 tail_rows=4", "tail_rows 4: expected 0 to less than tile_rows"},
      {std::string("\xff\x01 b c d e f"), "expected the most rows of a class (0: any), found 'e'"},
  };
  for (const auto &[text, expected] : cases) {
    auto database = parse(text);
    ASSERT_FALSE(database) << text;
    EXPECT_EQ(database.status().code(), "TUNE_FILE");
    EXPECT_EQ(rt::exitStatus(database.status().kind()), 65);
    EXPECT_NE(database.status().message().find(expected), std::string::npos)
        << text << "\n  gave " << database.status().message() << "\n  not  " << expected;
  }
}

TEST(TuningDatabase, NeedsItsFirstLine) {
  for (const char *text : {"", "# nothing\n", "llmc-tuning 2\n", kLine}) {
    auto database = TuningDatabase::parse(text, "a.tuning");
    ASSERT_FALSE(database) << text;
    EXPECT_NE(database.status().message().find("expected 'llmc-tuning 1'"), std::string::npos);
  }
}

TEST(TuningDatabase, ReadsFilesOfABoundedSize) {
  auto missing = TuningDatabase::read("/nowhere/a.tuning");
  ASSERT_FALSE(missing);
  EXPECT_EQ(rt::exitStatus(missing.status().kind()), 66);
  const std::string path = testing::TempDir() + "long.tuning";
  std::ofstream(path) << TuningDatabase::kHeader.str() << "\n" << std::string(2 << 20, '#');
  auto large = TuningDatabase::read(path);
  ASSERT_FALSE(large);
  EXPECT_NE(large.status().message().find("at most 1048576 bytes are read"), std::string::npos);
  EXPECT_EQ(TuningDatabase::read("/dev/zero").status().code(), "TUNE_FILE"); // it has no end
  EXPECT_EQ(TuningDatabase::read("/").status().code(), "TUNE_FILE");
  std::ofstream(path) << TuningDatabase::kHeader.str() << "\n" << kLine << "\n";
  auto good = TuningDatabase::read(path);
  EXPECT_TRUE(good && good->records().size() == 1);
  std::filesystem::remove(path);
}

} // namespace
} // namespace llmc
