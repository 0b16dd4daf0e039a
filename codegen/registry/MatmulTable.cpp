// The rows. A new default is a row here, with the measurement that it stands on; README.md says how.
#include "codegen/registry/MatmulTable.h"

#include <algorithm>
#include <iterator>

namespace llmc {

// What was measured, by the heading it stands under.
static constexpr Basis kLadder{kMatmulNotes, "From the formula to the fast loop"},
    kStream{kMatmulNotes, "One row, from memory: the stream must not jump"},
    kLineByLine{kMatmulNotes, "One row at AVX2: line by line, 9.2 KB ahead"},
    kZen3Lines{kMatmulNotes, "One to four rows on a Zen 3: 2.3 KB ahead"},
    kZen5Lines{kMatmulNotes, "One row at 512 bits on Zen 5: line by line, too"},
    kFewRows{kMatmulNotes, "Two to four rows at AVX2, floats of up to sixteen: fetch ahead"},
    kNextPanel{kMatmulNotes, "Five to sixteen rows: fetch the next panel"},
    kShares{kMatmulNotes, "More rows: each tile fetches its share of the next panel"},
    kDealt{kMatmulNotes, "The last quarter is dealt"},
    kPages{kMatmulNotes, "17 to 64 rows: fetch what attention reads next"},
    kZen5Paths{kMatmulNotes, "Zen 5: whole 512-bit paths"},
    kFourBits{kMatmulNotes, "4 bits: where the time of a tile goes"},
    kManyRows{kMatmulNotes, "4 bits, many rows: sums side by side (AVX2), sums in memory (Zen 5)"},
    kWordsOf16{kMatmulNotes, "5 to 16 rows at AVX2"}, kTwoProducts{kMatmulNotes, "bf16 weights: two products a lane"},
    kPairPanels{kMatmulNotes, "Two panels of pairs"},
    kFloatPanels{kMatmulNotes, "bf16 and f16 at 512 bits: two panels"}, kTiles{kConfigurationResults, "Register tiles"},
    kGroups{kConfigurationResults, "Superblocks a loop"}, kTails{kConfigurationResults, "Tiles of the last rows"},
    kPasses{kConfigurationResults, "Columns a pass"}, kBlocks{kConfigurationResults, "Rows a block"},
    kDistance{kConfigurationResults, "Two to four rows: how far ahead"},
    kLongRows{"tests/bench/results/2026-11-23-prefill.md", "8,192 columns: 8 rows a tile"},
    kOneRow{"", "a tile of one row has nothing to choose: one row"},
    kFloatRows{"", "not measured: integer weights with f32 activations, which four rows do not gain by"},
    kOtherFloats{"", "not measured: f32, and 16 bits at levels whose rows above do not say otherwise"};

// clang-format off
/// Short last tiles are half tiles where the measurement says nothing else: any number of rows is as likely as another.
/// AVX-512: 8 weight vectors and 8 sums leave half of the 32 registers to temporaries. AVX2: 6 x 16 for unpacked codes
/// (12 sums, 2 weights, 2 temporaries), 4 x 16 where more temporaries are live.
static constexpr TileRow kTileRows[] = {
//  levels       formats      act       rows               if                 style         tile, tail, loop  scales, codes           pass      basis
  {{kZen5,       kI4 | kQ4K,  kInt8,    kMany,             When::LongPairs},  TileStyle::Wide,     8, 2, 4, 1, kRowScales,             {},       kLongRows},
  {{kZen5,       kFourBit,    kInt8,    kMany,             When::Pairs},      TileStyle::Wide,    16, 2, 8, 1, kRowScales,             {},       kManyRows},
  {{kZen5,       kI8,         kInt8,    kMany,             When::Pairs},      TileStyle::Direct,   4, 2, 0, 1, 0,                      {},       kZen5Paths},
  {{kVnni512,    kFourBit,    kInt8,    kMany},                               TileStyle::Direct,   8, 1, 4, 1, kRowScales,             {},       kLadder},
  {{kAvx512,     kAnyFormat,  kInt8,    kMany},                               TileStyle::Direct,   8, 1, 4, 1, 0,                      {},       kTiles},
  {{kVnni512,    kI4,         kInt8,    kSixteen},                            TileStyle::Direct,   8, 1, 4, 1, kRowScales,             {},       kFourBits},
  {{kAvx512,     kAnyFormat,  kInt8,    kSixteen},                            TileStyle::Direct,   8, 1, 4, 1, 0,                      {},       kTiles},
  {{kVnni512,    kI4,         kInt8,    kFour},                               TileStyle::Direct,   4, 1, 2, 2, kRowScales,             {},       kFourBits},
  {{kAvx512,     kAnyFormat,  kInt8,    kFour},                               TileStyle::Direct,   4, 1, 2, 2, 0,                      {},       kGroups},
  {{kVnni512,    kI4,         kInt8,    kOne},                                TileStyle::Direct,   1, 1, 0, 2, kRowScales,             {},       kFourBits},
  {{kAllLevels,  kAnyFormat,  kInt8,    kOne},                                TileStyle::Direct,   1, 1, 0, 2, 0,                      {},       kGroups},
  {{kV3,         kI8,         kInt8,    kMany},                               TileStyle::Words,    6, 1, 4, 1, kRowScales | kUnpack,   {16, 24}, kManyRows},
  {{kV3,         kAnyFormat,  kInt8,    kMany},                               TileStyle::Words,    6, 1, 4, 1, kRowScales | kUnpack,   {32, 48}, kManyRows},
  {{kV3,         kI8,         kInt8,    kSixteen},                            TileStyle::Words,    4, 1, 2, 1, kRowScales | kUnpack,   {16, 24}, kWordsOf16},
  {{kV3,         kFourBit | kQ6K, kInt8, kSixteen},                           TileStyle::Words,    4, 1, 2, 1, kRowScales | kUnpack,   {32, 48}, kWordsOf16},
  {{kV3Vnni,     kI8,         kInt8,    kMany},                               TileStyle::Steps,    6, 1, 0, 1, 0,                      {32, 48}, kTiles},
  {{kV3Vnni,     kAnyFormat,  kInt8,    kMany},                               TileStyle::Steps,    6, 1, 0, 1, kUnpack,                {32, 48}, kLadder},
  {{kAvx2,       kUpperBits,  kInt8,    kFour | kSixteen},                    TileStyle::Steps,    4, 1, 2, 1, kUnpack,                {32, 48}, kTiles},
  {{kAvx2,       kAnyFormat,  kInt8,    kFour | kSixteen},                    TileStyle::Steps,    4, 1, 2, 1, 0,                      {},       kLadder},
  {{kZen5,       kBf16,       kRounded, kMany,             When::WholePairs}, TileStyle::Pairs,    8, 2, 4, 1, 0,                      {8, 16},  kPairPanels},
  {{kBf16Levels, kBf16,       kRounded, kMany,             When::WholeGroups},TileStyle::Pairs,   12, 1, 4, 1, 0,                      {8, 16},  kTwoProducts},
  {{kZen5,       kSixteenBit, kFloat,   kMany,             When::Pairs},      TileStyle::Float,    8, 2, 0, 1, 0,                      {8, 32},  kFloatPanels},
  {{kAvx2,       kSixteenBit, kFloat,   kMany},                               TileStyle::Float,    6, 1, 0, 1, 0,                      {8, 32},  kManyRows},
  {{kAvx2,       kF32,        kFloat,   kMany},                               TileStyle::Float,    6, 1, 0, 1, 0,                      {8, 32},  kTiles},
  {{kAvx512,     kAnyFormat,  kFloat,   kMany},                               TileStyle::Float,    8, 1, 0, 1, 0,                      {8, 32},  kLadder},
  {{kAvx2,       kAnyFormat,  kFloat,   kMany},                               TileStyle::Float,    4, 1, 0, 1, 0,                      {8, 32},  kTiles},
  {{kAvx512,     kAnyFormat,  kFloat,   kSixteen},                            TileStyle::Float,    8, 1, 4, 1, 0,                      {8, 32},  kTails},
  {{kAvx2,       kAnyFormat,  kFloat,   kSixteen},                            TileStyle::Float,    4, 1, 2, 1, 0,                      {8, 32},  kTails},
  {{kAllLevels,  kAnyFormat,  kFloat,   kFour},                               TileStyle::Float,    4, 1, 2, 1, 0,                      {},       kTails},
  {{kAllLevels,  kAnyFormat,  kFloat,   kOne},                                TileStyle::Float,    1, 1, 0, 1, 0,                      {},       kOneRow},
};

/// A few rows wait for memory. The CPU's own prefetchers reach the read bandwidth as long as the stream never jumps; an
/// instruction that fetches ahead, or a header passed over, costs up to half of it. From 5 rows on a line takes so much
/// longer to use than to read that they stop too early, and fetching the next panel pays. They stop too early with
/// fewer rows, too, where a core reads as fast as Zen 5's or takes twice the instructions to use a line (AVX2), and with
/// float weights, whose lines are four times as many. How far ahead is the core's own: 9.2 KB on a Zen 5, 2.3 on a Zen 3.
static constexpr FetchRow kFetchRows[] = {
//  levels       formats      act       rows               if                 order  x      ahead                  basis
  {{kV3,         kAnyFormat,  kAnyAct,  kOne},                                true,  true,  {Ahead::Bytes, 2304},  kZen3Lines},
  {{kAvx2,       kAnyFormat,  kAnyAct,  kOne},                                true,  true,  {Ahead::Bytes, 9216},  kLineByLine},
  {{kZen5,       kAnyFormat,  kInt8,    kOne},                                true,  true,  {Ahead::Bytes, 9216},  kZen5Lines},
  {{kZen5,       kByteScales, kFloat,   kOne},                                true,  true,  {Ahead::Bytes, 9216},  kLineByLine},
  {{kAvx512,     kAnyFormat,  kAnyAct,  kOne},                                true,  true,  {},                    kStream},
  {{kZen5,       kI8,         kInt8,    kFour},                               true,  true,  {Ahead::Bytes, 9216},  kDistance},
  {{kZen5,       kAnyFormat,  kInt8,    kFour},                               true,  true,  {Ahead::NextPanel},    kZen5Paths},
  {{kAvx2,       kUpperBits,  kInt8,    kFour},                               true,  true,  {Ahead::NextPanel},    kFewRows},
  {{kV3,         kAnyFormat,  kInt8,    kFour},                               true,  true,  {Ahead::Bytes, 2304},  kZen3Lines},
  {{kAvx2,       kAnyFormat,  kInt8,    kFour},                               true,  true,  {Ahead::Bytes, 9216},  kFewRows},
  {{kAvx2,       kFloats,     kFloat,   kFour},                               true,  true,  {Ahead::Bytes, 9216},  kFewRows},
  {{kZen5,       kFloats,     kFloat,   kFour},                               true,  true,  {Ahead::Bytes, 9216},  kFewRows},
  {{kAllLevels,  kAnyFormat,  kAnyAct,  kFour},                               true,  true,  {},                    kStream},
  {{kAvx512,     kAnyFormat,  kInt8,    kSixteen},                            false, true,  {Ahead::NextPanel},    kNextPanel},
  {{kAvx2,       kAnyFormat,  kInt8,    kSixteen},                            true,  true,  {Ahead::NextPanel},    kWordsOf16},
  {{kAllLevels,  kFloats,     kFloat,   kSixteen},                            true,  true,  {Ahead::Bytes, 9216},  kFewRows},
  {{kAllLevels,  kAnyFormat,  kFloat,   kSixteen},                            true,  true,  {},                    kFloatRows},
  {{kAllLevels,  kAnyFormat,  kInt8,    kMany},                               false, false, {Ahead::NextPanel},    kShares},
  {{kBf16Levels, kBf16,       kRounded, kMany,             When::WholeGroups},false, false, {Ahead::NextPass},     kTwoProducts},
  {{kZen5,       kSixteenBit, kFloat,   kMany,             When::Pairs},      false, false, {Ahead::NextPass},     kFloatPanels},
  {{kAvx2,       kSixteenBit, kFloat,   kMany},                               false, false, {Ahead::NextPass},     kManyRows},
  {{kAllLevels,  kAnyFormat,  kFloat,   kMany},                               false, false, {},                    kOtherFloats},
};

/// A chunk costs a cold start of the stream, under a microsecond; the last ones taken are what workers wait for.
static constexpr ShareRow kShareRows[] = {
//   rows         least        most        parts  basis
  {  kFew,        2048 * 1024, 256 * 1024, 32,    kDealt},
  {  kSixtyFour,  0,           0,          0,     kPages},
  {  kAnyRows,    0,           0,          1,     kDealt},
};

/// Rows that stay in half of a 1 MB L2 beside the weights. At most 120, so that f32 sums in memory leave L1 to the
/// unpacked panel; 128 where the mins of a panel are prepared for each block.
static constexpr BlockRow kBlockRows[] = {
//  levels      of                   bytes       least most  basis
  {kZen5,      BlockRow::Floats,    512 * 1024, 96,   120,  kBlocks},
  {kAllLevels, BlockRow::RowScales, 512 * 1024, 48,   128,  kManyRows},
  {kAllLevels, BlockRow::Any,       512 * 1024, 48,   120,  kBlocks},
};

static constexpr SharedNumber kSharedNumbers[] = {
//   name               basis
  {  "tail_rows",       kTails},
  {  "groups_per_iter", kGroups},
  {  "group_block",     kPasses},
};
// clang-format on

llvm::ArrayRef<TileRow> tileTable() { return kTileRows; }
llvm::ArrayRef<FetchRow> fetchTable() { return kFetchRows; }
llvm::ArrayRef<ShareRow> shareTable() { return kShareRows; }
llvm::ArrayRef<BlockRow> blockTable() { return kBlockRows; }
llvm::ArrayRef<SharedNumber> sharedNumbers() { return kSharedNumbers; }

static FormatSet formatBit(Layout layout) {
  switch (layout) {
  case Layout::F32N16:
    return kF32;
  case Layout::F16N16:
    return kF16;
  case Layout::BF16N16K2:
    return kBf16;
  case Layout::Q4N16K4Sym:
    return kI4;
  case Layout::Q4N16K4Asym:
    return kI4Min;
  case Layout::Q4KN16K4:
    return kQ4K;
  case Layout::Q5N16K4Sym:
    return kI5;
  case Layout::Q5N16K4Asym:
    return kI5Min;
  case Layout::Q5KN16K4:
    return kQ5K;
  case Layout::Q6KN16K4:
    return kQ6K;
  case Layout::Q8N16K4:
    return kI8;
  default:
    return kAnyFormat; // none that a CPU multiplies: rows for all formats
  }
}

static ActSet actBit(const MatmulShape &shape) {
  return shape.act == ActKind::Int8 ? kInt8 : shape.bf16Products ? kRounded : kExact;
}

/// The least class that has the rows.
static ClassSet classBit(int64_t mMax) {
  ClassSet bit = kOne;
  for (int64_t most : kRowClasses) {
    if (most == 0 || (mMax != 0 && mMax <= most))
      break;
    bit = static_cast<ClassSet>(bit << 1);
  }
  return bit;
}

bool MatmulCase::holds(const Level &level, const MatmulShape &shape) const {
  const bool halves = shape.unitPanels == 1 || shape.unitPanels == 2 || shape.unitPanels == 4;
  const bool pairs = when == When::Pairs || when == When::WholePairs || when == When::LongPairs;
  if (pairs && !(halves && shape.panels() > 1))
    return false;
  if (when == When::LongPairs && shape.k < kLongRow)
    return false;
  if ((when == When::WholeGroups || when == When::WholePairs) && shape.k % kQuantGroup != 0)
    return false;
  const FormatSet format = formatBit(shape.layout);
  return (levels & levelBit(level)) && (formats & format) == format && (act & actBit(shape)) &&
         (rows & classBit(shape.mMax));
}

template <typename Rows> static const auto &firstOf(const Rows &table, const Level &level, const MatmulShape &shape) {
  return *std::find_if(std::begin(table), std::prev(std::end(table)),
                       [&](const auto &row) { return row.of.holds(level, shape); });
}

const TileRow &tileOf(const Level &level, const MatmulShape &shape) { return firstOf(kTileRows, level, shape); }
const FetchRow &fetchOf(const Level &level, const MatmulShape &shape) { return firstOf(kFetchRows, level, shape); }

const ShareRow &shareOf(const MatmulShape &shape) {
  return *std::find_if(std::begin(kShareRows), std::prev(std::end(kShareRows)),
                       [&](const ShareRow &row) { return row.rows & classBit(shape.mMax); });
}

const BlockRow &blockOf(const Level &level, const MatmulConfig &config) {
  return *std::find_if(std::begin(kBlockRows), std::prev(std::end(kBlockRows)), [&](const BlockRow &row) {
    const bool floats = config.style == TileStyle::Float || config.style == TileStyle::Pairs;
    const bool holds = row.of == BlockRow::Floats ? floats : config.rowScales;
    return (row.levels & levelBit(level)) && (row.of == BlockRow::Any || holds);
  });
}

} // namespace llmc
