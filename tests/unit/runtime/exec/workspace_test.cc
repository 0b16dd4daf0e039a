// The memory formula on the hand-made plan, checked against numbers worked out by hand.
#include "runtime/exec/workspace.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/exec/fake_engine.h"

namespace llmc::rt {
namespace {

// Regions: Fixed 128, Token 192, Row 320 (a row of 40 floats is 192, one of 6 is 64), Worker 128.
constexpr uint64_t kRow = 192 + 64 + 64;

TEST(Workspace, FollowsTheFormula) {
  const test::FakeEngine engine;
  const StepLimits limits{100, 10, 4, 64};
  const auto& wide = *engine.plan().programs()->Get(1);
  const UnitCounts units = unitCounts(wide, limits, 3);
  EXPECT_EQ(*programBytes(wide, units), 128 + 192 * 116 + kRow * 26 + 128 * 3u);
  EXPECT_EQ(*workspaceBytes(engine.plan(), limits, 3), *programBytes(wide, units));
  EXPECT_EQ(slotOffset(wide, *wide.slots()->Get(0), units), 64u);
  EXPECT_EQ(slotOffset(wide, *wide.slots()->Get(1), units), 128 + 64 * 116u);
  EXPECT_EQ(slotOffset(wide, *wide.slots()->Get(2), units), 128 + 192 * 116 + 64 * 26u);
  EXPECT_EQ(slotOffset(wide, *wide.slots()->Get(3), units), 128 + 192 * 116 + kRow * 26 + 64 * 3u);
}

TEST(Workspace, ProgramsForFewTokensNeedLess) {
  const test::FakeEngine engine;
  const StepLimits limits{100, 10, 4, 64};
  const auto& narrow = *engine.plan().programs()->Get(0);
  const UnitCounts units = unitCounts(narrow, limits, 1);
  EXPECT_EQ(units.count[1], 4 + 16u);
  EXPECT_EQ(units.count[2], 4 + 16u);  // no more rows than tokens
}

}  // namespace
}  // namespace llmc::rt
