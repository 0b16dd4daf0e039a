// Which loop nest a matrix product gets: the table from (level, weight layout, activation kind, row class) to a
// configuration.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include "codegen/cpu/Level.h"
#include "codegen/registry/PackedLayout.h"

namespace llmc {

class MatmulTuning;

/// Element kind of the activations that meet the weight.
enum class ActKind : uint8_t { F32, Int8 };

/// A product y[M, N] = x[M, K] * w[N, K]^T with N, K and the layout known when the kernel is written, and M <= mMax
/// (0: any M) known when it runs. `unitPanels`: panels of 16 rows of w that one epilogue call needs together.
struct MatmulShape {
  int64_t n = 0, k = 0;
  Layout layout = Layout::F32N16;
  ActKind act = ActKind::F32;
  int64_t mMax = 1;
  int64_t unitPanels = 1;
  std::shared_ptr<const MatmulTuning> tuning = {}; ///< null: the table alone
  bool bf16Products = false;                       ///< f32 activations may be rounded to bf16 (llm.linear)

  QuantFormat format() const { return quantFormat(layout); }
  bool asymmetric() const { return format().asymmetric; }
  bool fourBit() const { return format().bits == 4; }
  /// A class of so many rows that products wait for the units that multiply, not for weights.
  bool manyRows() const { return mMax == 0 || mMax > 16; }
  /// Codes whose bits above the nibble lie in lines of their own.
  bool hasUpperBits() const { return upperLines(layout) != 0; }
  /// Groups of 32 along K, padding included.
  int64_t groups() const { return roundUpTo(k, kSuperblockCols) / kQuantGroup; }
  int64_t panels() const { return panelCount(layout, n); }
  int64_t units() const { return (panels() + unitPanels - 1) / unitPanels; }
  /// Bytes from one row of x to the next (kernel ABI).
  int64_t xStride() const;
};

/// How a tile (rows of x) x (panels) is computed.
enum class TileStyle : uint8_t {
  Direct, ///< integer: a group's weights in registers, f32 sums in registers; AVX-512, and one row at AVX2
  Steps,  ///< integer: the 4-column steps of a group one after the other, integer sums in registers, f32 sums in memory
  Wide,   ///< integer, 4 bits: codes of two panels in registers, f32 sums in memory; 512-bit data paths
  Words,  ///< integer, AVX2 without VNNI: as Steps, codes and x brought into an order that fewer instructions multiply
  Float,  ///< f32 activations: weights widened in registers, f32 sums in registers
  Pairs,  ///< bf16 weights, activations rounded to bf16 once a row block: two products a lane (vdpbf16ps)
};

struct MatmulConfig {
  TileStyle style = TileStyle::Float;
  int64_t tileRows = 1;      ///< rows of x in a register tile, at most 16 (the ABI lets kernels read 15 rows past M)
  int64_t tilePanels = 1;    ///< panels in a register tile: 2 share what is read of x (Direct, Wide)
  int64_t tailRows = 0;      ///< a last tile of at most this many rows uses a tile of this height; 0: it does not
  int64_t rowBlock = 1;      ///< rows of x that one pass over a unit's panels serves; a multiple of tileRows
  bool anyRows = false;      ///< row blocks follow each other until all rows are done; else the first has them all
  bool unpack = false;       ///< Words, and Steps below 8 bits: codes in scratch, once for each pass over a panel
  int64_t groupBlock = 0;    ///< groups of 32 columns in one pass; 0: all of K
  int64_t groupsPerIter = 1; ///< Direct: groups in one loop body (2: a whole superblock)
  bool rowScales = false;    ///< integer: activation scales as 16-bit multiples of one a row (RowScales.h)
  int64_t prefetchBytes = 0; ///< distance of weight prefetch, 0: none
  bool prefetchX = false;    ///< Direct: the rows of x two superblocks ahead, where a panel drives them out of L1
  int64_t chunkBytes = 0;    ///< weights of a chunk that a free worker takes (anyRows, few: half); 0: equal shares
  bool inOrder = false;      ///< each line of a panel is first touched in the order of addresses, the header included

  bool operator==(const MatmulConfig &) const = default;

  /// Whether a tile of rows fetches its share of the next panel (2 to 19% faster than all of it beside each tile with
  /// 32 rows, weights from memory); else each fetches what lies prefetchBytes on.
  bool sharesPrefetch(const MatmulShape &shape) const;

  /// Whether the mins of a panel are made integers before its groups are visited. With few rows that costs more than
  /// the multiplication of floats a group that it saves.
  bool preparesMins(const MatmulShape &shape) const { return rowScales && shape.asymmetric() && shape.manyRows(); }

  /// Independent f32 sums of a row in a tile of `rows` rows, added up at the end (Float).
  static int64_t chains(const Level &level, int64_t rows) {
    return std::max<int64_t>(1, 4 / (rows * (level.avx512 ? 1 : 2)));
  }

  /// Weights of an item of work.
  int64_t itemBytes(const MatmulShape &shape) const;
  /// Items of work in a chunk of chunkBytes: at least one.
  int64_t chunkItems(const MatmulShape &shape) const;

  /// Units of the epilogue in an item of work: as many as a tile has panels for.
  int64_t itemUnits(const MatmulShape &shape) const { return std::max<int64_t>(1, tilePanels / shape.unitPanels); }

  /// Bytes from one row to the next of what tiles read: x, or its rows as a worker has rounded or turned them.
  int64_t rowStride(const MatmulShape &shape) const;
};

/// "direct, 8 x 16 sums in registers, 120 rows a block, 16-bit row scales, prefetch 5,760 B ahead".
std::string describeMatmul(const MatmulShape &shape, const MatmulConfig &config);

/// The table's choice, or what shape.tuning has for this level and class.
MatmulConfig chooseMatmul(const Level &level, const MatmulShape &shape);

/// Whether the variant of shape.mMax is one of those, at this level, that give a row of x the same bits. The last of
/// them takes any number of rows: mMax 0, or 16 or 4 where only more rows have 16-bit scales.
bool roundsExactly(const Level &level, const MatmulShape &shape);

/// Prepared scales of one row of x: byte offsets of its parts and the distance of rows; described in RowScales.h.
struct RowScalesLayout {
  explicit RowScalesLayout(const MatmulShape &shape);
  int64_t biases, starts, unit, stride;
};

/// How codes and rows of x lie in worker scratch for TileStyle::Words.
struct WordLayout {
  explicit WordLayout(const MatmulShape &shape);
  bool wide;          ///< 8 bits: codes and x are 16-bit numbers, a lane of a step has two columns; else bytes, four
  int64_t parts;      ///< of a group of 32 columns, scaled by themselves: 2 where 16 columns share a scale
  int64_t steps;      ///< of a part: one line of codes each
  int64_t center;     ///< bytes: what is taken from every code, so that sums of a part fit 16 bits; 0: nothing
  int64_t xBytes;     ///< of a group of a row
  int64_t codeBytes;  ///< of a group of a panel
  int64_t groupBytes; ///< with the f32 scales of its parts behind them
};

/// Largest integer that stands for a min or bias: `groups` products of two stay below 2^31.
int64_t minSumLargest(int64_t groups);
/// A panel's integer mins: where their units lie, and all their bytes.
constexpr int64_t minSumUnitsAt(const MatmulShape &shape) { return shape.groups() / 2 * kLineBytes; }
constexpr int64_t minSumBytes(const MatmulShape &shape) { return minSumUnitsAt(shape) + kLineBytes; }

/// Bytes of worker scratch that any variant of `shape` needs at any level: f32 sums, then the unpacked panel, then the
/// prepared scales and the copied rows of a row block.
int64_t matmulSumsBytes(const MatmulShape &shape, const MatmulConfig &config);
int64_t matmulUnpackBytes(const MatmulShape &shape, const MatmulConfig &config);
int64_t matmulRowScalesBytes(const MatmulShape &shape, const MatmulConfig &config);
int64_t matmulCopiedBytes(const MatmulShape &shape, const MatmulConfig &config);
int64_t matmulScratchBytes(MatmulShape shape);

/// Row classes that variants are made for.
inline constexpr int64_t kRowClasses[] = {1, 4, 16, 64, 0};

} // namespace llmc
