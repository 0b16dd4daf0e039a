// Every state and every end has a name of its own.
#include "runtime/sched/request.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace llmc::rt {
namespace {

TEST(Request, NamesAreDistinct) {
  std::set<std::string> states, ends;
  for (int i = 0; i <= static_cast<int>(SequenceState::kFinished); ++i)
    states.insert(stateName(static_cast<SequenceState>(i)));
  for (int i = 0; i <= static_cast<int>(EndReason::kFailed); ++i) ends.insert(endName(static_cast<EndReason>(i)));
  EXPECT_EQ(states.size(), 6u);
  EXPECT_EQ(ends.size(), 6u);
  EXPECT_FALSE(states.count(""));
  EXPECT_FALSE(ends.count(""));
}

}  // namespace
}  // namespace llmc::rt
