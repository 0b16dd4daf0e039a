// The ring keeps the last records, and every decision reads as a sentence.
#include "runtime/sched/decision_trace.h"

#include <gtest/gtest.h>

#include <set>

namespace llmc::rt {
namespace {

TEST(DecisionTrace, KeepsTheLastRecords) {
  DecisionTrace trace(3);
  for (uint64_t i = 0; i < 5; ++i) trace.add({0, i, i, 0, Decision::kSubmitted, Cause::kNone, 0, 0});
  EXPECT_EQ(trace.total(), 5u);
  EXPECT_EQ(trace.firstKept(), 2u);
  for (uint64_t i = 2; i < 5; ++i) EXPECT_EQ(trace.at(i).request, i);
}

TEST(DecisionTrace, WithoutRoomItOnlyCounts) {
  DecisionTrace trace(0);
  trace.add({});
  EXPECT_EQ(trace.total(), 1u);
  EXPECT_EQ(trace.firstKept(), 1u);
}

TEST(DecisionTrace, EveryDecisionReadsDifferently) {
  std::set<std::string> texts;
  for (int i = 0; i <= static_cast<int>(Decision::kFinished); ++i) {
    const std::string text = DecisionTrace::text({1.5, 7, 3, 1, static_cast<Decision>(i), Cause::kNone, 1, 2});
    EXPECT_EQ(text.rfind("1.500 step 7 request 3.1 ", 0), 0u);
    EXPECT_TRUE(texts.insert(text).second) << text;
  }
}

TEST(DecisionTrace, SaysWhy) {
  EXPECT_EQ(DecisionTrace::text({12.5, 7, 3, 0, Decision::kPreemptSwap, Cause::kNoPages, 40, 3}),
            "12.500 step 7 request 3.0 preempted: 40 tokens kept in 3 host pages (no pages left)");
  EXPECT_EQ(DecisionTrace::text(
                {0, 1, 2, 0, Decision::kFinished, Cause::kNone, static_cast<uint32_t>(EndReason::kDeadline), 9}),
            "0.000 step 1 request 2.0 finished: timeout after 9 tokens");
}

}  // namespace
}  // namespace llmc::rt
