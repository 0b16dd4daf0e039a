// Tests of the reference interpreter's data: batches, the cache, rounding, and quantization on hand-made numbers.
#include "dialects/Reference/Eval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

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
  kvWrite(kv, k, v, batch, 1, std::nullopt);
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

TEST(Rounding, KindsOfACache) {
  auto stored = [](llm::QuantKind kind, std::vector<double> x) {
    storeAs(kind, x);
    return x;
  };
  const std::vector<double> x = {254.0, 1.9, -3.1, 1.00001, -254.0};
  EXPECT_EQ(stored(llm::QuantKind::I8, x), (std::vector<double>{254.0, 2.0, -4.0, 2.0, -254.0}));
  EXPECT_EQ(stored(llm::QuantKind::I8, {0.0, 0.0}), (std::vector<double>{0.0, 0.0}));
  EXPECT_EQ(stored(llm::QuantKind::E4M3, {448.0, 1.0625, -300.0}), (std::vector<double>{448.0, 1.0, -288.0}));
  EXPECT_EQ(stored(llm::QuantKind::BF16, {257.0, -1e6}), (std::vector<double>{256.0, -999424.0}));
  EXPECT_EQ(stored(llm::QuantKind::F16, {2049.0}), (std::vector<double>{2048.0}));
}

/// Attention of 4 heads of 64 over 256 normal keys and values; of every 16th key, column 5 is `outlier` times as large,
/// as keys of real models have them.
class CachedAttention {
 public:
  explicit CachedAttention(double outlier) {
    for (Tensor* x : {&k_, &v_, &q_})
      for (double& one : x->data) one = normal();
    for (int64_t t = 0; t < kTokens; t += 16) k_.at(t, 5) *= outlier;
    exact_ = attended(std::nullopt);
  }

  /// Root of the mean square of the errors of a cache of `kind`, relative to that of the results.
  double errorOf(llm::QuantKind kind) const {
    const Tensor got = attended(kind);
    double wrong = 0, whole = 0;
    for (size_t i = 0; i < exact_.data.size(); ++i) {
      wrong += (got.data[i] - exact_.data[i]) * (got.data[i] - exact_.data[i]);
      whole += exact_.data[i] * exact_.data[i];
    }
    return std::sqrt(wrong / whole);
  }

 private:
  static constexpr int64_t kTokens = 256, kDim = 64, kHeads = 4;

  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      sum += static_cast<double>(state_ >> 11) * 0x1p-53;
    }
    return sum;
  }
  Tensor attended(std::optional<llm::QuantKind> kind) const {
    std::vector<int32_t> pages(kTokens / 16);
    for (size_t i = 0; i < pages.size(); ++i) pages[i] = static_cast<int32_t>(i);
    KvCache kv(1, 1, kDim, 16, kTokens / 16);
    kvWrite(kv, k_, v_, makeBatch({{.tokenIds = std::vector<int32_t>(kTokens), .past = 0, .pages = pages}}), 0, kind);
    return attend(q_, kv, makeBatch({{.tokenIds = {0}, .past = kTokens - 1, .pages = pages}}),
                  {.layer = 0, .heads = kHeads, .scale = 0.125, .window = 0, .softcap = 0});
  }

  uint64_t state_ = 7;
  Tensor k_{kTokens, kDim}, v_{kTokens, kDim}, q_{1, kHeads * kDim}, exact_;
};

TEST(Rounding, WhatACacheCostsAttention) {
  for (double outlier : {1.0, 30.0}) {
    const CachedAttention attention(outlier);
    const double f16 = attention.errorOf(llm::QuantKind::F16), bf16 = attention.errorOf(llm::QuantKind::BF16),
                 i8 = attention.errorOf(llm::QuantKind::I8), e4m3 = attention.errorOf(llm::QuantKind::E4M3);
    std::printf("error of attention, outliers of %g: f16 %.1e, bf16 %.1e, int8 %.1e, fp8 %.1e\n", outlier, f16, bf16,
                i8, e4m3);
    EXPECT_LT(f16, 1e-3);
    EXPECT_GT(bf16, 3 * f16);
    EXPECT_LT(bf16, 5e-3);
    EXPECT_GT(i8, bf16);
    EXPECT_LT(i8, outlier > 1 ? 6e-2 : 2e-2);
    // Steps of int8 grow with the largest number, those of fp8 with each.
    EXPECT_GT(e4m3, outlier > 1 ? i8 / 2 : 2 * i8);
    EXPECT_LT(e4m3, 6e-2);
  }
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
