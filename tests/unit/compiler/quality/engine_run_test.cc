// Choosing a level, and one sequence on an engine whose kernels do nothing.
#include "compiler/quality/EngineRun.h"

#include <gtest/gtest.h>

#include "runtime/device/cpu_features.h"
#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc {
namespace {

TEST(LowestRunnableLevel, IsTheFirstThatThisMachineHas) {
  ASSERT_TRUE(rt::detectCpuFeatures().v3) << "the tests need AVX2";
  EXPECT_EQ(lowestRunnableLevel({"x86-64-v3", "x86-64-v4"}), "x86-64-v3");
  EXPECT_EQ(lowestRunnableLevel({"no such level", "x86-64-v3"}), "x86-64-v3");
  EXPECT_EQ(lowestRunnableLevel({"no such level"}), std::nullopt);
  EXPECT_EQ(lowestRunnableLevel({}), std::nullopt);
}

TEST(EngineRun, RunsChunksOfOneSequenceAndStartsAnew) {
  rt::test::TemporaryFile file(rt::test::letterEngine());
  auto pool = makePool(2);
  ASSERT_TRUE(pool) << pool.status().toString();
  auto run = EngineRun::open(file.path(), "x86-64-v3", **pool, 24, 8);
  ASSERT_TRUE(run) << run.status().toString();
  EXPECT_EQ((*run)->vocabulary(), 32u);
  std::vector<int32_t> ids{1, 2, 3, 4, 5, 6, 7, 8};
  for (int round = 0; round < 2; ++round) {
    for (int chunk = 0; chunk < 3; ++chunk) {
      rt::Status status = (*run)->forward(ids, rt::RowChoice::kAll);
      ASSERT_TRUE(status) << status.toString();
      EXPECT_EQ((*run)->logits(7).size(), 32u);
    }
    EXPECT_FALSE((*run)->forward(ids, rt::RowChoice::kLast)) << "24 tokens fill the sequence";
    (*run)->reset();
  }
}

TEST(EngineRun, RefusesWhatIsNotThere) {
  rt::test::TemporaryFile file(rt::test::letterEngine());
  auto pool = makePool(1);
  ASSERT_TRUE(pool);
  EXPECT_EQ(EngineRun::open(file.path(), "x86-64-v9", **pool, 8, 8).status().code(), "EN_CPU_ARCH");
  EXPECT_EQ(EngineRun::open(file.path() + ".none", "x86-64-v3", **pool, 8, 8).status().code(), "EN_MISSING");
}

}  // namespace
}  // namespace llmc
