// Each level and cache has a row of its own, and each row and number a basis that is there.
#include "codegen/registry/AttentionTable.h"

#include "tests/unit/codegen/registry/basis.h"
#include <set>

namespace llmc {
namespace {

TEST(AttentionTable, LevelsHaveABitEach) {
  std::set<LevelSet> bits;
  for (const Level &level : cpuLevels())
    bits.insert(levelBit(level));
  EXPECT_EQ(bits.size(), cpuLevels().size());
  EXPECT_EQ(levelBit(*findLevel("x86-64-v3-avxvnni")), kV3Vnni);
  EXPECT_EQ(levelBit(cpuLevels().back()), kZen5);
}

TEST(AttentionTable, EveryLevelAndCacheHasARow) {
  std::set<const AttentionTileRow *> tiles;
  std::set<const AttentionPairRow *> pairs;
  for (const Level &level : cpuLevels()) {
    pairs.insert(&attentionPairOf(level));
    EXPECT_TRUE(attentionPairOf(level).levels & levelBit(level)) << level.name.str();
    for (bool int8 : {false, true}) {
      const AttentionTileRow &row = attentionTileOf(level, int8);
      tiles.insert(&row);
      EXPECT_TRUE((row.levels & levelBit(level)) && (row.cache & (int8 ? kInt8Cache : kFloatCache)))
          << level.name.str();
    }
  }
  EXPECT_EQ(tiles.size(), attentionTileTable().size());
  EXPECT_EQ(pairs.size(), std::size(kAttentionPairs));
}

TEST(AttentionTable, EveryRowNamesAMeasurementOrABound) {
  expectMeasured("tiles", attentionTileTable());
  expectMeasured("pairs", llvm::ArrayRef(kAttentionPairs));
  expectMeasured("numbers", llvm::ArrayRef(kAttentionNumbers));
}

} // namespace
} // namespace llmc
