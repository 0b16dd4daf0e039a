// Attention of query blocks with factors rounded to bf16: vdpbf16ps.
#pragma once

#include "codegen/cpu/attention/PairAttendEmitter.h"

namespace llmc {

/// For levels with bf16: tiles of twelve rows by 32 keys or columns are 24 of 32 registers.
class Bf16AttendEmitter : public PairAttendEmitter {
public:
  Bf16AttendEmitter(KernelBuilder &kernel, const AttendShape &shape, const AttendWords &words)
      : PairAttendEmitter(kernel, shape, words) {}

private:
  void packQueries(const AttendItem &item) override;
  void packKeys(mlir::Value block, mlir::Value live) override;
  void packValues(mlir::Value block, mlir::Value live) override;
  void packKeyCodes(mlir::Value block, mlir::Value live);
  void packValueCodes(mlir::Value block, mlir::Value live);
  void emitScores(const Tile &tile) override;
  mlir::Value addWeights(mlir::Value row, mlir::ValueRange scores, mlir::Value largest,
                         const std::optional<VisibleKeys> &keys, mlir::Value total) override;
  void emitValues(const Tile &tile) override;
  void emitValueColumns(const Tile &tile, mlir::Value column, int64_t vectors);
  mlir::Value exp2(mlir::Value x) override;

  /// Two vectors of 16 floats to 32-bit lanes of (low, high).
  mlir::Value interleave(mlir::Value low, mlir::Value high);
  /// Two vectors of 16 floats to 32 bf16 in order, as vector<16xi32>.
  mlir::Value pack(mlir::Value first, mlir::Value second);
  mlir::Value dot(mlir::Value acc, mlir::Value a, mlir::Value b);
};

} // namespace llmc
