// Writes the code of one attention work item whose factors are rounded to bf16: vdpbf16ps, two products a lane.
#pragma once

#include "codegen/cpu/attention/AttendEmitter.h"

namespace llmc {

/// Items as AttendEmitter's, for many query tokens on levels with bf16. Queries are rounded once an item, keys and
/// values once a block of 64 keys, interleaved so that a 32-bit lane holds the two factors that one lane of vdpbf16ps
/// adds up: two dimensions of a key, or a column of two keys. Rows of an item then go by twelves through scores,
/// softmax and weighted values while all three stay in L1.
///
/// Blocks start at multiples of 64 positions and rows never mix, so a row's sums depend on its own position alone: not
/// on where an item starts, how many rows share a tile, or which worker has it.
class Bf16AttendEmitter {
public:
  Bf16AttendEmitter(KernelBuilder &kernel, const AttendShape &shape, const AttendWords &words);

  /// item.split is null, item.tokenCount at most Bf16Scratch::tokens.
  void emitItem(const AttendItem &item);

private:
  /// Twelve rows of an item against one block of keys.
  struct Tile {
    mlir::Value firstRow, rowCount; ///< live rows
    mlir::Value block;              ///< position of the block's first key
    mlir::Value visible;            ///< keys of the block that the tile's last row sees
    mlir::Value whole;              ///< i1: every row sees all 64 keys
  };
  void packQueries(const AttendItem &item);
  void clearState();
  void packKeys(mlir::Value block, mlir::Value live);
  void packValues(mlir::Value block, mlir::Value live);
  void packKeyCodes(mlir::Value block, mlir::Value live);
  void packValueCodes(mlir::Value block, mlir::Value live);
  void emitBlock(const AttendItem &item, mlir::Value block, mlir::Value live);
  void emitScores(const Tile &tile);
  void emitSoftmaxRow(const Tile &tile, mlir::Value row, bool masked);
  void rescaleRow(mlir::Value row, mlir::Value largest, mlir::Value now);
  void emitValues(const Tile &tile);
  void emitValueColumns(const Tile &tile, mlir::Value column, int64_t vectors);
  void storeRows(const AttendItem &item);

  /// What the item's head has in the page of `key` of the block at `block`: in the part that starts at `at`,
  /// `headBytes` a head.
  mlir::Value pageAddress(mlir::Value block, mlir::Value key, int64_t at, int64_t headBytes);
  /// Two vectors of 16 floats to 32-bit lanes of (low, high).
  mlir::Value interleave(mlir::Value low, mlir::Value high);
  /// Two vectors of 16 floats to 32 bf16 in order, as vector<16xi32>.
  mlir::Value pack(mlir::Value first, mlir::Value second);
  mlir::Value dot(mlir::Value acc, mlir::Value a, mlir::Value b);
  mlir::Value exp2(mlir::Value x);
  mlir::Value softcapped(mlir::Value scores);

  KernelBuilder &k_;
  const AttendShape &shape_;
  AttendWords words_;
  Bf16Scratch at_;
  mlir::Value first_;  ///< position of the item's first token
  mlir::Value table_;  ///< block table row of the item's sequence
  mlir::Value kvHead_; ///< of the item
};

} // namespace llmc
