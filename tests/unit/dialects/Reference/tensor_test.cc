// Tests of the reference interpreter's data: batches, the cache, rounding, and quantization on hand-made numbers.
#include "dialects/Reference/Eval.h"

#include <gtest/gtest.h>

namespace llmc::reference {
namespace {

TEST(Batch, JoinsRaggedSequences) {
  Batch batch =
      makeBatch({{.tokenIds = {5, 6}, .past = 0, .pages = {3}}, {.tokenIds = {7}, .past = 16, .pages = {1, 2}}});
  EXPECT_EQ(batch.tokens(), 3);
  EXPECT_EQ(batch.positions, (std::vector<int32_t>{0, 1, 16}));
  EXPECT_EQ(batch.tokenSeq, (std::vector<int32_t>{0, 0, 1}));
  EXPECT_EQ(batch.contextLens, (std::vector<int32_t>{2, 17}));
  EXPECT_EQ(batch.sampleRows, (std::vector<int32_t>{1, 2}));
}

TEST(Batch, SamplesEveryTokenWhenAsked) {
  EXPECT_EQ(makeBatch({{.tokenIds = {5, 6}, .past = 0, .pages = {0}}}, true).sampleRows, (std::vector<int32_t>{0, 1}));
}

TEST(KvCache, PagesDecideWhereATokenLies) {
  KvCache kv(2, 1, 1, 16, 4);
  Batch batch = makeBatch({{.tokenIds = {0}, .past = 17, .pages = {3, 1}}});
  Tensor k(1, 1), v(1, 1);
  k.at(0, 0) = 5;
  v.at(0, 0) = 6;
  kvWrite(kv, k, v, batch, 1, false);
  EXPECT_EQ(kv.key(1, 0, 1, 1, 0), 5);
  EXPECT_EQ(kv.value(1, 0, 1, 1, 0), 6);
  EXPECT_EQ(kv.key(0, 0, 1, 1, 0), 0);
  EXPECT_EQ(kv.key(1, 0, 3, 1, 0), 0);
}

/// Values of 8-bit floats, halves between neighbours, and what lies above the largest.
TEST(Rounding, E4M3) {
  for (double exact : {0.0, 0x1p-9, 7 * 0x1p-9, 0x1p-6, 1.125, -15.0, 416.0, 448.0})
    EXPECT_EQ(roundToE4M3(exact), exact);
  EXPECT_EQ(roundToE4M3(0x1p-10), 0.0);
  EXPECT_EQ(roundToE4M3(3 * 0x1p-10), 0x1p-8);
  EXPECT_EQ(roundToE4M3(1.0625), 1.0);
  EXPECT_EQ(roundToE4M3(1.1875), 1.25);
  EXPECT_EQ(roundToE4M3(431.9), 416.0);
  EXPECT_EQ(roundToE4M3(1e9), 448.0);
  EXPECT_EQ(roundToE4M3(-1e9), -448.0);
}

TEST(Rounding, RowsHaveOneScale) {
  Tensor x(2, 3);
  x.data = {448.0, 1.0625, -300.0, 0.0, 0.0, 0.0};
  Tensor y = quantizeRows(x, true);
  EXPECT_EQ(y.data, (std::vector<double>{448.0, 1.0, -288.0, 0.0, 0.0, 0.0}));
  EXPECT_EQ(quantizeRows(x, false).data, x.data);
}

TEST(Rounding, TiesGoToEven) {
  EXPECT_EQ(roundToHalf(2049.0), 2048.0);
  EXPECT_EQ(roundToHalf(2051.0), 2052.0);
  EXPECT_EQ(roundToBFloat(257.0), 256.0);
  EXPECT_EQ(roundToBFloat(259.0), 260.0);
}

TEST(Quantize, EachGroupOf16HasItsOwnStep) {
  Tensor x(1, 40);
  x.at(0, 0) = 127.0;
  x.at(0, 1) = 0.6;
  x.at(0, 16) = 1.27;
  x.at(0, 17) = 0.6;
  Tensor y = quantize(x, true);
  EXPECT_DOUBLE_EQ(y.at(0, 1), 1.0);
  EXPECT_NEAR(y.at(0, 17), 0.6, 1e-7);
  EXPECT_EQ(y.at(0, 2), 0.0);
  EXPECT_EQ(quantize(x, false).data, x.data);
}

}  // namespace
}  // namespace llmc::reference
