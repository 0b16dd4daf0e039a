// Emits one register tile of a matrix product: a few rows of x times one or two panels of 16 weight rows.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "codegen/registry/MatmulConfig.h"
#include <vector>

namespace llmc {

/// Where a tile's data lie when the kernel runs. Pointers are !llvm.ptr, indices i64.
struct TilePlace {
  mlir::Value weights;    ///< the panel's first superblock
  mlir::Value nextPanel;  ///< tilePanels 2: bytes to the second panel; 0 behind the last, whose sums come out twice
  mlir::Value header;     ///< what lies before it: f16 factors of byte scales
  mlir::Value x;          ///< the tile's first row of x
  mlir::Value sums;       ///< f32 sums of the tile's first row for this panel; rows are `sumsStride` bytes apart,
                          ///< those of a second panel follow
  mlir::Value unpacked;   ///< unpack: u8 [step of 4 columns][16 rows][4], from groupBegin on (Words: WordRows.cpp)
  mlir::Value rowScales;  ///< rowScales: prepared scales of the tile's first row
  mlir::Value mins;       ///< rowScales, asymmetric: the panel's mins as integers, those of a second behind them
  mlir::Value ahead;      ///< null, or what this tile fetches (MatmulConfig::sharesPrefetch)
  mlir::Value aheadStep;  ///< bytes of it beside a group
  mlir::Value cache;      ///< null, or what the tile fetches of a layer of a page of the cache (MatmulAhead)
  mlir::Value cacheStep;  ///< bytes of it beside a group
  int64_t cacheBytes = 0; ///< of the layer
  mlir::Value groupBegin; ///< groups of 32 columns [begin, end) that this pass adds
  mlir::Value groupEnd;
};

/// Lanes are 16 (one half) on AVX-512, 8 (two halves) below; all per-lane values are indexed
/// [(panel * rows + row) * halves + half].
class TileEmitter {
public:
  using Values = KernelBuilder::Values;

  TileEmitter(KernelBuilder &kernel, const MatmulShape &shape, const MatmulConfig &config, int64_t sumsStride);

  /// True when emit() adds to `sums` (they must be zero at first); false when it overwrites them.
  bool accumulates() const {
    const bool starts = config_.style == TileStyle::Words || config_.style == TileStyle::Wide;
    return !starts && (config_.style == TileStyle::Steps || config_.groupBlock != 0);
  }
  void emit(const TilePlace &place);
  /// Splits the codes of groups [groupBegin, groupEnd) of a panel into `place.unpacked`.
  void emitUnpack(const TilePlace &place);

private:
  /// Addresses of one group of 32 columns: pointers plus constant displacements.
  struct Group {
    mlir::Value lines, upper; ///< weight lines; those with the bits above the nibbles
    mlir::Value scales;       ///< scales; mins minsOffset - scalesOffset bytes on
    mlir::Value header;       ///< factors of byte scales
    mlir::Value x;            ///< first row of x plus the group's 32 * g bytes
    mlir::Value index;        ///< first row of x plus 4 * g: where the biases count from
    mlir::Value prepared;     ///< rowScales: prepared scales of the first row plus 4 * g
    mlir::Value pair;         ///< first row of x plus 8 * g: where the two scales of a group count from
    Values factors;           ///< those of byte scales, [mins][half], f32; empty: read from the header
    int64_t linesDisp = 0, upperDisp = 0, scalesDisp = 0, xDisp = 0, indexDisp = 0;
  };

  // IntTile.cpp: integer vocabulary.
  mlir::VectorType bytes() { return k_.vec(lanes_ * 4, k_.i8()); }
  mlir::VectorType ints() { return k_.vec(lanes_, k_.i32()); }
  mlir::VectorType floats() { return k_.vec(lanes_, k_.f32()); }
  bool pairSums() const;        ///< i16 sums of pairs (no VNNI, 4 and 5 bit) instead of i32 sums
  bool highSixteenfold() const; ///< codes of the last 16 columns are 16 times what they are, and so are their sums
  mlir::Type sumType();
  int64_t halfScaleBytes() const; ///< of half a superblock
  Group groupAt(const TilePlace &place, mlir::Value g);
  mlir::Value headerOf(const TilePlace &place, mlir::Value g);
  mlir::Value loadBytes(mlir::Value base, int64_t disp);
  mlir::Value nibble(mlir::Value line, bool high);
  mlir::Value highCodes(mlir::Value codes, const Values &upper, int64_t line);
  Values codeLinesOf(const Group &group, int64_t half);
  Values upperBits(const Group &group, int64_t half);
  Values groupCodes(const Values &lines, const Values &upper);
  mlir::Value withUpper(mlir::Value nibbles, const Values &upper, int64_t step);
  mlir::Value activation(mlir::Value base, int64_t row, int64_t disp);
  mlir::Value dot(mlir::Value sum, mlir::Value weights, mlir::Value activations);
  mlir::Value signedDot(mlir::Value sum, mlir::Value weights, mlir::Value activations);
  Values groupScales(const Group &group, int64_t part);
  Values groupMins(const Group &group);
  /// What multiplies a group's sums: `second` is the first again where 32 columns share a scale; mins may be empty.
  struct Scales {
    Values first, second, mins;
  };
  Scales scalesOf(const Group &group);
  mlir::Value scaleSums(const Group &group, int64_t row, mlir::Value low, mlir::Value high, const Scales &scales,
                        int64_t half, mlir::Value total);
  /// rowScales: of one row and group, in all lanes; no bias where weights have mins.
  struct RowFactors {
    mlir::Value scales, bias;
  };
  RowFactors rowFactors(const Group &group, int64_t row);
  mlir::Value scaleByRow(const RowFactors &row, mlir::Value low, mlir::Value high, mlir::Value scale,
                         mlir::Value total);
  mlir::Value scaleGroup(const Group &group, int64_t row, mlir::Value low, mlir::Value high, const Scales &scales,
                         int64_t half, mlir::Value total);
  Values minSums(const TilePlace &place);
  Values rowUnits(const TilePlace &place);

  // IntDirect.cpp
  void emitDirect(const TilePlace &place);
  void prefetchGroup(const Group &group);
  void prefetchLine(const Group &group, int64_t line);
  void prefetchBehind(const Group &group);
  void prefetchShare(const TilePlace &place, mlir::Value g);
  /// A group as it lies in memory, one entry a half.
  struct Loaded {
    llvm::SmallVector<Values> lines, upper;
    Scales scales;
  };
  std::vector<Loaded> loadGroups(llvm::ArrayRef<Group> groups);
  std::vector<TilePlace> panelsOf(const TilePlace &place);
  void directGroup(llvm::ArrayRef<Group> panels, llvm::ArrayRef<Loaded> loaded, Values &totals);
  void directPanels(const TilePlace &place, llvm::ArrayRef<TilePlace> panels, mlir::Value g, Values &totals);
  void directSuperblock(const TilePlace &place, mlir::Value g, const Values &factors, Values &totals);
  Values directBlocks(const TilePlace &place, Values totals);

  bool lineByLine() const; ///< how a superblock of one row is read

  // IntLines.cpp
  void lineGroup(const Group &group, Values &totals);

  // IntWide.cpp
  void emitWide(const TilePlace &place);
  void wideStart(const TilePlace &place);
  void wideGroup(const TilePlace &place, llvm::ArrayRef<Group> panels, llvm::ArrayRef<Loaded> loaded);
  Values wideRow(const Group &group, llvm::ArrayRef<Values> weights, int64_t row, llvm::function_ref<void()> between);

  // IntSteps.cpp
  void emitSteps(const TilePlace &place);
  Values groupSteps(const TilePlace &place, const Group &group, mlir::Value g, int64_t half);

  // IntWords.cpp
  void emitWords(const TilePlace &place);
  Values wordStarts(const TilePlace &place, mlir::Value part);
  Values wordSteps(mlir::Value lines, mlir::Value x, const Values &starts);
  void addWords(const TilePlace &place, mlir::Value part, mlir::Value scalesAt, const Values &sums,
                llvm::function_ref<Values()> loadMins);

  // WordRows.cpp
  void emitUnpackWords(const TilePlace &place);
  void unpackWords(const Group &group, int64_t half, mlir::Value out);
  void unpackWide(const Group &group, int64_t half, mlir::Value out);

  // FloatTile.cpp
  void emitFloat(const TilePlace &place);
  void floatColumns(const TilePlace &place, mlir::Value column, int64_t count, Values &totals);
  void floatLine(const TilePlace &place, mlir::Value group, mlir::Value line, int64_t columns, Values &totals);
  mlir::Value codesAt(mlir::Value packed, int64_t shift, const Values &upper, mlir::Value line);
  Values widened(mlir::Value weights, mlir::Value column, int64_t offset);
  void multiply(const Values &weights, mlir::Value x, int64_t column, Values &totals);
  int64_t chains() const;
  int64_t columnBytes() const;
  void emitPairs(const TilePlace &place);
  Values floatWeights(const TilePlace &place, Values totals);
  Values quantizedWeights(const TilePlace &place, Values totals);
  Values lastPass(const TilePlace &place, bool needed, Values totals, llvm::function_ref<void(Values &)> body);

  int64_t totalAt(int64_t index) const;
  /// Index of the sum of a row and part [panel * halves + half]; where the part's mins lie behind TilePlace::mins.
  int64_t sumIndex(int64_t row, int64_t part) const {
    return (part / halves_ * config_.tileRows + row) * halves_ + part % halves_;
  }
  int64_t minPartAt(int64_t part) const { return part / halves_ * minSumBytes(shape_) + part % halves_ * lanes_ * 4; }
  Values loadTotals(const TilePlace &place);
  void storeTotals(const TilePlace &place, Values totals);

  KernelBuilder &k_;
  const MatmulShape &shape_;
  const MatmulConfig &config_;
  int64_t sumsStride_, xStride_, lanes_, halves_;
};

/// For TileStyle::Words: `rows` rows of int8 at `x` in the order of words at `out`, `stride` bytes apart. Of `prepared`
/// (RowScales.h) units are read, or the starts of sums written.
void emitWordRows(KernelBuilder &kernel, const MatmulShape &shape, mlir::Value x, mlir::Value rows,
                  mlir::Value prepared, mlir::Value out, int64_t stride);

/// For TileStyle::Pairs: `rows` rows of f32 at `x` as bf16 at `out`, `stride` bytes apart, neighbouring columns
/// swapped.
void emitRoundedRows(KernelBuilder &kernel, const MatmulShape &shape, mlir::Value x, mlir::Value rows, mlir::Value out,
                     int64_t stride);

} // namespace llmc
