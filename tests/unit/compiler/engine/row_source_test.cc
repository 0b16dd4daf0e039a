// Checkpoint tensors as row sources: plain and un-interleaved reads.
#include "compiler/engine/RowSource.h"

#include <gtest/gtest.h>

#include <cstring>

#include "compiler/import/Checkpoint.h"
#include "tests/unit/compiler/engine/memory_rows.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc {
namespace {

class CheckpointRowsTest : public testing::Test {
 protected:
  CheckpointRowsTest()
      : tensor_(test::randomTensor(StorageType::BF16, 96, 20, 1)),
        file_({reinterpret_cast<const char*>(tensor_.bytes.data()), tensor_.bytes.size()}) {
    auto source = SourceFile::open(file_.path());
    EXPECT_TRUE(source);
    TensorInfo info;
    info.name = "q";
    info.sourceName = "q.stored";
    info.type = StorageType::BF16;
    info.shape = {96, 20};
    info.bytes = tensor_.bytes.size();
    checkpoint_ = std::make_unique<Checkpoint>(std::vector{*source}, std::vector{info});
    rows_.add("q", tensor_);
  }
  test::MemoryTensor tensor_;
  rt::test::TemporaryFile file_;
  std::unique_ptr<Checkpoint> checkpoint_;
  test::MemoryRows rows_;
};

TEST_F(CheckpointRowsTest, ReadsWhatMemoryHolds) {
  auto from = CheckpointRows(*checkpoint_).open("q");
  auto expected = rows_.open("q");
  ASSERT_TRUE(from && expected);
  EXPECT_EQ((*from)->rows(), 96);
  EXPECT_EQ((*from)->cols(), 20);
  for (int64_t heads : {0, 1, 2, 4, 12, 48}) {
    for (auto [row, count] : {std::pair<int64_t, int64_t>{0, 96}, {0, 16}, {80, 16}, {7, 33}, {95, 1}}) {
      std::vector<std::byte> a(static_cast<size_t>(count * 40)), b(a.size());
      ASSERT_TRUE((*from)->read(row, count, heads, a.data()));
      ASSERT_TRUE((*expected)->read(row, count, heads, b.data()));
      ASSERT_EQ(a, b) << heads << " heads, rows " << row << "+" << count;
    }
  }
}

TEST_F(CheckpointRowsTest, APlaceIsWhereTheFileHasTheBlock) {
  auto from = CheckpointRows(*checkpoint_).open("q");
  ASSERT_TRUE(from);
  std::vector<std::byte> row(40);
  for (int64_t heads : {0, 2, 12}) {
    for (int64_t wanted : {0, 7, 50, 95}) {
      ASSERT_TRUE((*from)->read(wanted, 1, heads, row.data()));
      StoredPlace place = (*from)->place(wanted, 3, heads);
      EXPECT_EQ(std::memcmp(row.data(), tensor_.bytes.data() + place.row * 40, 40), 0) << heads << " heads, " << wanted;
      EXPECT_NE(place.where.find(": byte " + std::to_string(place.row * 40 + 6) + ": 'q.stored'"), std::string::npos)
          << place.where;
    }
  }
}

TEST_F(CheckpointRowsTest, BadHeadsAndNames) {
  auto from = CheckpointRows(*checkpoint_).open("q");
  ASSERT_TRUE(from);
  std::vector<std::byte> out(40 * 16);
  EXPECT_EQ((*from)->read(0, 16, 7, out.data()).code(), "W_SHAPE");
  EXPECT_EQ((*from)->read(0, 16, 96, out.data()).code(), "W_SHAPE");
  EXPECT_FALSE((*from)->read(90, 16, 0, out.data()));
  EXPECT_EQ(CheckpointRows(*checkpoint_).open("k").status().code(), "MODEL_TENSOR");
}

}  // namespace
}  // namespace llmc
