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
