// Limits must not contradict each other: products of them are used unchecked in places that rely on this.
#include "runtime/base/limits.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace llmc::rt::limits {
namespace {

TEST(Limits, ProductsFit) {
  EXPECT_LE(kVocab * kHidden * 4, int64_t{1} << 62);
  EXPECT_LE(kHeads * kHeadDim, int64_t{1} << 31);
  EXPECT_LE(kPositions, INT32_MAX);  // positions are 32 bit in a batch
  EXPECT_LE(kMaxTokensPerStep, INT32_MAX);
  EXPECT_LT(kPlanBytes, uint64_t{1} << 31);  // flatbuffers refuses more
}

TEST(Limits, RequestsAreBounded) {
  EXPECT_LE(kStopStrings * kStopStringBytes, 1u << 16);
  EXPECT_GE(kTopLogprobs, 20);  // what the OpenAI API allows
  EXPECT_GE(kChoices, 128);     // the same
  EXPECT_GE(kAnswersPerCall, std::max(kChoices, kPromptsPerCall));
  EXPECT_LE(kThreads, 65536);
}

}  // namespace
}  // namespace llmc::rt::limits
