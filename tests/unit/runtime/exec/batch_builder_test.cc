// The arrays that kernels read, for a mixed batch; and every refusal.
#include "runtime/exec/batch_builder.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

const StepLimits kLimits{24, 8, 3, 100};

std::vector<int32_t> take(const int32_t* values, int32_t count) { return {values, values + count}; }

TEST(BatchBuilder, LaysOutAMixedBatch) {
  BatchBuilder builder(kLimits, 1000, 50);
  const std::vector<int32_t> chunk = {10, 11, 12, 13}, one = {20}, two = {30, 31};
  const std::vector<int32_t> pagesA = {7, 3}, pagesB = {40, 41, 2}, pagesC = {0};
  const std::vector<uint32_t> list = {0, 1};
  const StepSequence sequences[] = {{chunk, pagesA, 14, RowChoice::kLast, {}, /*apart=*/false, /*logits=*/false},
                                    {one, pagesB, 33, RowChoice::kNone, {}},
                                    {two, pagesC, 0, RowChoice::kList, list}};
  ASSERT_TRUE(builder.build(sequences));
  const Batch& b = builder.batch();
  EXPECT_EQ(b.tokens, 7);
  EXPECT_EQ(b.rows, 3);
  EXPECT_EQ(b.sequences, 3);
  EXPECT_EQ(b.blockStride, 7);  // 100 tokens
  using V = std::vector<int32_t>;
  EXPECT_EQ(take(b.tokenIds, 7), (V{10, 11, 12, 13, 20, 30, 31}));
  EXPECT_EQ(take(b.positions, 7), (V{14, 15, 16, 17, 33, 0, 1}));
  EXPECT_EQ(take(b.slots, 7), (V{7 * 16 + 14, 7 * 16 + 15, 3 * 16, 3 * 16 + 1, 2 * 16 + 1, 0, 1}));
  EXPECT_EQ(take(b.tokenSeq, 7), (V{0, 0, 0, 0, 1, 2, 2}));
  EXPECT_EQ(take(b.queryStarts, 4), (V{0, 4, 5, 7}));
  EXPECT_EQ(take(b.contextLens, 3), (V{18, 34, 2}));
  EXPECT_EQ(take(b.sampleRows, 3), (V{3, 5, 6}));
  EXPECT_EQ(take(b.logitsWanted, 3), (V{0, 1, 1}));
  EXPECT_EQ(take(b.blockTable, 2), pagesA);
  EXPECT_EQ(take(b.blockTable + 7, 3), pagesB);
  EXPECT_EQ(take(b.blockTable + 14, 1), pagesC);
}

TEST(BatchBuilder, TokensApartAreSequencesOfTheirOwn) {
  BatchBuilder builder(kLimits, 1000, 50, /*apart=*/true);
  const std::vector<int32_t> chunk = {10, 11, 12}, two = {30, 31}, pagesA = {7, 3}, pagesB = {9};
  const StepSequence sequences[] = {{chunk, pagesA, 14, RowChoice::kLast, {}, /*apart=*/true},
                                    {two, pagesB, 0, RowChoice::kAll, {}}};
  ASSERT_TRUE(builder.build(sequences));
  const Batch& b = builder.batch();
  using V = std::vector<int32_t>;
  EXPECT_EQ(b.tokens, 5);
  EXPECT_EQ(b.sequences, 4);
  EXPECT_EQ(take(b.tokenIds, 5), (V{10, 11, 12, 30, 31}));
  EXPECT_EQ(take(b.positions, 5), (V{14, 15, 16, 0, 1}));
  EXPECT_EQ(take(b.slots, 5), (V{7 * 16 + 14, 7 * 16 + 15, 3 * 16, 9 * 16, 9 * 16 + 1}));
  EXPECT_EQ(take(b.tokenSeq, 5), (V{0, 1, 2, 3, 3}));
  EXPECT_EQ(take(b.queryStarts, 5), (V{0, 1, 2, 3, 5}));
  EXPECT_EQ(take(b.contextLens, 4), (V{15, 16, 17, 2}));
  EXPECT_EQ(take(b.sampleRows, 3), (V{2, 3, 4}));
  EXPECT_EQ(take(b.blockTable + 2 * 7, 2), pagesA);
  EXPECT_EQ(take(b.blockTable + 3 * 7, 1), pagesB);
  BatchBuilder narrow(kLimits, 1000, 50);
  EXPECT_EQ(narrow.build(sequences).code(), "RT_STEP");
}

TEST(BatchBuilder, KeepsItsAddressAndForgetsTheLastStep) {
  BatchBuilder builder(kLimits, 1000, 50);
  const Batch* address = &builder.batch();
  const std::vector<int32_t> ids = {1, 2}, pages = {0};
  const StepSequence all[] = {{ids, pages, 0, RowChoice::kAll, {}}};
  ASSERT_TRUE(builder.build(all));
  EXPECT_EQ(address->rows, 2);
  const StepSequence none[] = {{std::span(ids).first(1), pages, 2, RowChoice::kNone, {}}};
  ASSERT_TRUE(builder.build(none));
  EXPECT_EQ(address->rows, 0);
  EXPECT_EQ(address->tokens, 1);
}

TEST(BatchBuilder, TakesRowsOfTheStepBeforeForTokens) {
  BatchBuilder builder(kLimits, 1000, 50);
  const std::vector<int32_t> first = {-1}, third = {-3}, pages = {0, 1};
  const StepSequence both[] = {{third, pages, 20, RowChoice::kLast, {}}, {first, pages, 3, RowChoice::kLast, {}}};
  ASSERT_TRUE(builder.build(both, 3));
  EXPECT_EQ(take(builder.batch().tokenIds, 2), (std::vector<int32_t>{-3, -1}));
  EXPECT_EQ(builder.build(both, 2).code(), "RT_TOKEN_ID");
  EXPECT_EQ(builder.build(both).code(), "RT_TOKEN_ID");
}

TEST(BatchBuilder, RefusesEachWrongNumber) {
  BatchBuilder builder(kLimits, 1000, 50);
  const std::vector<int32_t> ids = {1, 2, 3}, negative = {1, -1}, large = {1000}, many(25, 1);
  const std::vector<int32_t> pages = {0, 1}, outside = {50}, minus = {-1}, eight(8, 0);
  const std::vector<uint32_t> past = {3}, unsorted = {1, 1};
  const auto code = [&](StepSequence s) { return builder.build(std::span(&s, 1)).code(); };
  EXPECT_EQ(code({{}, pages, 0, RowChoice::kLast, {}}), "RT_STEP");
  EXPECT_EQ(code({ids, {}, 0, RowChoice::kLast, {}}), "RT_STEP");
  EXPECT_EQ(code({ids, pages, 30, RowChoice::kLast, {}}), "RT_STEP");
  EXPECT_EQ(code({ids, outside, 0, RowChoice::kLast, {}}), "RT_STEP");
  EXPECT_EQ(code({ids, minus, 0, RowChoice::kLast, {}}), "RT_STEP");
  EXPECT_EQ(code({ids, pages, 0, RowChoice::kList, past}), "RT_STEP");
  EXPECT_EQ(code({ids, pages, 0, RowChoice::kList, unsorted}), "RT_STEP");
  EXPECT_EQ(code({many, pages, 0, RowChoice::kNone, {}}), "RT_STEP");
  EXPECT_EQ(code({std::span(many).first(9), pages, 0, RowChoice::kAll, {}}), "RT_STEP");
  EXPECT_EQ(code({negative, pages, 0, RowChoice::kLast, {}}), "RT_TOKEN_ID");
  EXPECT_EQ(code({large, pages, 0, RowChoice::kLast, {}}), "RT_TOKEN_ID");
  EXPECT_EQ(code({ids, eight, 98, RowChoice::kLast, {}}), "RT_CONTEXT");
  EXPECT_EQ(code({ids, eight, 4294967295u, RowChoice::kLast, {}}), "RT_CONTEXT");
  EXPECT_EQ(builder.build({}).code(), "RT_STEP");
  const StepSequence four[4] = {{ids, pages, 0, RowChoice::kNone, {}},
                                {ids, pages, 0, RowChoice::kNone, {}},
                                {ids, pages, 0, RowChoice::kNone, {}},
                                {ids, pages, 0, RowChoice::kNone, {}}};
  EXPECT_EQ(builder.build(four).code(), "RT_STEP");
}

}  // namespace
}  // namespace llmc::rt
