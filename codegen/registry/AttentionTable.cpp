// The rows of attention on the CPU.
#include "codegen/registry/AttentionTable.h"

#include <algorithm>
#include <iterator>

namespace llmc {

static constexpr Basis kRegisters512{"", "32 registers: 24 sums, or 12 of scores, beside their factors"},
    kRegisters256{"", "16 registers: 6 sums of two each, beside their factors"},
    kIntegers{kAttentionResults, "Tiles of an int8 cache"};

// clang-format off
static constexpr AttentionTileRow kAttentionTiles[] = {
//   levels     cache         scores values spilled  basis
  {kAvx512,     kFloatCache,      12,    24,      2, kRegisters512},
  {kAvx2,       kFloatCache,       6,     6,      2, kRegisters256},
  {kVnni512,    kInt8Cache,       12,    12,      0, kIntegers},
  {kV4,         kInt8Cache,       12,    12,      2, kIntegers},
  {kV3Vnni,     kInt8Cache,        3,     3,      0, kIntegers},
  {kV3,         kInt8Cache,        5,     5,      2, kIntegers},
};
// clang-format on

llvm::ArrayRef<AttentionTileRow> attentionTileTable() { return kAttentionTiles; }

const AttentionTileRow &attentionTileOf(const Level &level, bool int8Cache) {
  return *std::find_if(std::begin(kAttentionTiles), std::prev(std::end(kAttentionTiles)),
                       [&](const AttentionTileRow &row) {
                         return (row.levels & levelBit(level)) && (row.cache & (int8Cache ? kInt8Cache : kFloatCache));
                       });
}

const AttentionPairRow &attentionPairOf(const Level &level) {
  return *std::find_if(std::begin(kAttentionPairs), std::prev(std::end(kAttentionPairs)),
                       [&](const AttentionPairRow &row) { return row.levels & levelBit(level); });
}

} // namespace llmc
