// The table of matrix products: which numbers a product gets, and the measurement behind each row.
#pragma once

#include "codegen/registry/ConfigRow.h"
#include "codegen/registry/MatmulConfig.h"
#include "llvm/ADT/ArrayRef.h"

namespace llmc {

/// Sets of weight formats (layouts), a bit each; names with Min are asymmetric.
using FormatSet = uint16_t;
inline constexpr FormatSet kF32 = 1, kF16 = 2, kBf16 = 4, kI4 = 8, kI4Min = 16, kQ4K = 32, kI5 = 64, kI5Min = 128,
                           kQ5K = 256, kQ6K = 512, kI8 = 1024, kAnyFormat = 0xffff;
inline constexpr FormatSet kFourBit = kI4 | kI4Min | kQ4K, kUpperBits = kI5 | kI5Min | kQ5K | kQ6K,
                           kByteScales = kQ4K | kQ5K | kQ6K, kSixteenBit = kF16 | kBf16, kFloats = kF32 | kSixteenBit;

/// Sets of activations: f32, f32 that may be rounded to bf16, int8.
using ActSet = uint8_t;
inline constexpr ActSet kExact = 1, kRounded = 2, kInt8 = 4, kFloat = kExact | kRounded, kAnyAct = 7;

/// Sets of row classes, in the order of kRowClasses.
using ClassSet = uint8_t;
inline constexpr ClassSet kOne = 1, kFour = 2, kSixteen = 4, kSixtyFour = 8, kAnyRows = 16, kFew = 7, kMany = 24,
                          kAnyClass = 31;

/// What else the shape must be.
enum class When : uint8_t {
  Always,
  Pairs,     ///< more than one panel, units of 1, 2 or 4: tiles of two panels end where units do, and what an epilogue
             ///< over units of 8 (heads) holds leaves no register for them
  LongPairs, ///< Pairs, K at least kLongRow
  WholeGroups, ///< K is a multiple of 32
  WholePairs,  ///< both
};

/// Columns from which on 16 rows of x by two panels are slower than 8 (of 4,096, they are not).
inline constexpr int64_t kLongRow = 8192;

/// A row applies to a product that is in all of its sets; of those that do, the first counts.
struct MatmulCase {
  LevelSet levels;
  FormatSet formats;
  ActSet act;
  ClassSet rows;
  When when = When::Always;

  bool holds(const Level &level, const MatmulShape &shape) const;
  friend bool operator==(const MatmulCase &, const MatmulCase &) = default;
};

/// K in passes of `groups` groups where it has more than `over`.
struct Pass {
  int16_t groups = 0, over = 0;
};
/// Properties of a tile.
inline constexpr uint8_t kRowScales = 1, kUnpack = 2;

/// The tile of a product: MatmulConfig's style, tileRows, tilePanels, tailRows, groupsPerIter, rowScales, unpack and
/// groupBlock.
struct TileRow {
  MatmulCase of;
  TileStyle style;
  int8_t rows, panels, tail, groups;
  uint8_t has; ///< kRowScales, kUnpack
  Pass pass;
  Basis basis;
};

/// How far ahead weights are fetched.
struct Ahead {
  enum Kind : uint8_t { Nothing, Bytes, NextPanel, NextPass } kind = Nothing;
  int32_t bytes = 0;
};

/// How memory is read: MatmulConfig's inOrder, prefetchX and prefetchBytes.
struct FetchRow {
  MatmulCase of;
  bool inOrder, fetchesX; ///< fetchesX: where a panel and the rows of x exceed L1
  Ahead ahead;
  Basis basis;
};

/// What is dealt to whoever is free: MatmulConfig's chunkBytes. A product of fewer than `least` bytes has equal shares,
/// else a chunk is a `parts`th of it, `most` bytes at most; most 0: one item of work, or equal shares with parts 0.
struct ShareRow {
  ClassSet rows;
  int64_t least, most, parts;
  Basis basis;
};

/// MatmulConfig's rowBlock for any number of rows: as many as `bytes` hold, `least` to `most`. A row applies to
/// tiles of floats, to those with 16-bit row scales, or to any.
struct BlockRow {
  enum Of : uint8_t { Floats, RowScales, Any };
  LevelSet levels;
  Of of;
  int64_t bytes, least, most;
  Basis basis;
};

/// A number that rows of tileTable() share without a basis of their own for it.
struct SharedNumber {
  const char *name; ///< of matmulNumberNames()
  Basis basis;
};

llvm::ArrayRef<TileRow> tileTable();
llvm::ArrayRef<FetchRow> fetchTable();
llvm::ArrayRef<ShareRow> shareTable();
llvm::ArrayRef<BlockRow> blockTable();
llvm::ArrayRef<SharedNumber> sharedNumbers();

/// The rows that apply. There is one for every product on the CPU.
const TileRow &tileOf(const Level &level, const MatmulShape &shape);
const FetchRow &fetchOf(const Level &level, const MatmulShape &shape);
const ShareRow &shareOf(const MatmulShape &shape);
const BlockRow &blockOf(const Level &level, const MatmulConfig &config);

} // namespace llmc
