// Writes the code of one attention work item whose factors are rounded to 16 bits: two products a lane.
#pragma once

#include "codegen/cpu/attention/AttendEmitter.h"

namespace llmc {

/// Items as AttendEmitter's, for many query tokens. Queries are rounded once an item, keys and values once a block of
/// 64 keys, interleaved so that a 32-bit lane holds the two factors that one lane of an instruction adds up: two
/// dimensions of a key, or a column of two keys. Rows of an item then go by tiles through scores, softmax and weighted
/// values while all three stay in L1.
///
/// Blocks start at multiples of 64 positions and rows never mix, so a row's sums depend on its own position alone: not
/// on where an item starts, how many rows share a tile, or which worker has it.
class PairAttendEmitter {
public:
  virtual ~PairAttendEmitter() = default;

  /// item.split is null, item.tokenCount at most PairScratch::tokens.
  void emitItem(const AttendItem &item);

protected:
  using Values = KernelBuilder::Values;
  static constexpr int64_t kBlock = AttendShape::kBlockTokens, kPage = AttendShape::kPageTokens;

  PairAttendEmitter(KernelBuilder &kernel, const AttendShape &shape, const AttendWords &words);

  /// Rows of an item, as many as a tile has, against one block of keys.
  struct Tile {
    mlir::Value firstRow, rowCount; ///< live rows
    mlir::Value block;              ///< position of the block's first key
    mlir::Value visible;            ///< keys of the block that the tile's last row sees
    mlir::Value whole;              ///< i1: every row sees all 64 keys
  };

  /// Rounds `group` heads of each token to scratch; what queryScale() says goes into them.
  virtual void packQueries(const AttendItem &item) = 0;
  /// Keys, or values, of the block at `block`, of which `live` exist.
  virtual void packKeys(mlir::Value block, mlir::Value live) = 0;
  virtual void packValues(mlir::Value block, mlir::Value live) = 0;
  /// f32 scores of all rows of the tile, to PairScratch::scores.
  virtual void emitScores(const Tile &tile) = 0;
  /// Rounds row `row`'s weights of the block, 2^(scores - largest), to PairScratch::weights; returns `total` with them
  /// added, 16 lanes. `keys`: those that the row sees, if not all.
  virtual mlir::Value addWeights(mlir::Value row, mlir::ValueRange scores, mlir::Value largest,
                                 const std::optional<VisibleKeys> &keys, mlir::Value total) = 0;
  /// Adds the weighted values of the block to the sums of the tile's rows.
  virtual void emitValues(const Tile &tile) = 0;
  /// 2^x, with an error far below that of the weights' rounding.
  virtual mlir::Value exp2(mlir::Value x) = 0;

  /// The attention's scale, together with what turns exp into exp2.
  double queryScale() const;
  /// What the item's head has in the page of `key` of the block at `block`: in the part that starts at `at`,
  /// `headBytes` a head.
  mlir::Value pageAddress(mlir::Value block, mlir::Value key, int64_t at, int64_t headBytes);

  KernelBuilder &k_;
  const AttendShape &shape_;
  AttendWords words_;
  PairScratch at_;

private:
  void clearState();
  void emitBlock(const AttendItem &item, mlir::Value block, mlir::Value live);
  void emitSoftmaxRow(const Tile &tile, mlir::Value row, bool masked);
  void rescaleRow(mlir::Value row, mlir::Value largest, mlir::Value now);
  void storeRows(const AttendItem &item);
  mlir::Value softcapped(mlir::Value scores);

  mlir::Value first_;  ///< position of the item's first token
  mlir::Value table_;  ///< block table row of the item's sequence
  mlir::Value kvHead_; ///< of the item
};

} // namespace llmc
