// Attention of query blocks with factors rounded to 16-bit integers: vpmaddwd, or vpdpwssd.
#pragma once

#include "codegen/cpu/attention/PairAttendEmitter.h"

namespace llmc {

/// For levels of 256 bits: an instruction multiplies twice as many integers of 16 bits as floats. A query head, a key
/// and a value have a factor each, relative to their own largest, so that none depends on its neighbours; those of
/// values go into the weights, which are relative to the largest of a row and block: one far below the largest score
/// loses no more than others. Sums are exact: 12 bits and a sign for queries and keys of 64 dimensions, 12 for values,
/// 13 for weights are the most that 32 bits hold. A NaN in what a row sees stays one, in a factor.
///
/// Tiles of six rows by 16 keys or columns are 12 of 16 registers; two hold keys or values, two are temporaries.
class Int16AttendEmitter : public PairAttendEmitter {
public:
  Int16AttendEmitter(KernelBuilder &kernel, const AttendShape &shape, const AttendWords &words)
      : PairAttendEmitter(kernel, shape, words) {}

private:
  void packQueries(const AttendItem &item) override;
  void packKeys(mlir::Value block, mlir::Value live) override;
  void packValues(mlir::Value block, mlir::Value live) override;
  mlir::Value packFactor(mlir::Value page, mlir::Value key, mlir::Value index);
  void emitScores(const Tile &tile) override;
  mlir::Value addWeights(mlir::Value row, mlir::ValueRange scores, mlir::Value largest,
                         const std::optional<VisibleKeys> &keys, mlir::Value total) override;
  void emitValues(const Tile &tile) override;
  mlir::Value exp2(mlir::Value x) override;

  /// Largest integer of queries and keys.
  double largestOfDimensions() const;
  /// 16 floats as integers of `inverse`, i32.
  mlir::Value codes(mlir::Value halves, mlir::Value inverse);
  /// 16 lanes of i32: the low 16 bits of both.
  mlir::Value interleave(mlir::Value low, mlir::Value high);
  mlir::Value dot(mlir::Value acc, mlir::Value a, mlir::Value b);

  /// Integers in memory; stride in bytes: of `rows` from row to row, of `columns` from pair to pair of elements, which
  /// lie side by side for each column.
  struct Matrix {
    mlir::Value at;
    int64_t stride;
  };
  Values emitProducts(mlir::Value count, Matrix columns, Matrix rows);

  /// Elements that a turn of a loop takes; it divides head sizes and kBlock, and weights of no key are 0. LLVM splits a
  /// vpdpwssd that adds to another one's sum in the same block in two instructions, for its latency.
  int64_t unrolled() const { return k_.level().vnni ? 2 : 8; }
  static constexpr int64_t kRows = kInt16TileRows;
  static constexpr int64_t kLanes = 8, kRegister = 32; ///< of a register: 32-bit lanes, bytes
  static constexpr double kLargestValue = 4095;
  static constexpr int64_t kWeightBits = 13; ///< 64 keys * 2^13 * 4095 < 2^31
};

} // namespace llmc
