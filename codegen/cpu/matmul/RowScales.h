// Integer forms of what is added to the dot products, so that floats take fewer of the ports that the products need.
// One row of x, G groups of 32 columns, two activation scales each (RowScalesLayout):
//   i16 [2 G]  round(scale / unit), unit = largest scale of the row / 32767: sums of 16 columns fit 16 bits
//              (16 * 15 * 127), so that one vpmaddwd scales both sums of a group and stays below 2^31. Twice each for
//              6 bits, whose 16 columns have two sums of 8
//   symmetric weights:  i32 [G] round(bias / unit), but for words the starts of sums
//   asymmetric weights: i16 [G] round(bias / biasUnit), to be multiplied with the mins of a panel by vpdpwssd before
//   the
//              groups are visited; G products stay below 2^31 because both are at most minSumLargest(G)
//   the same with at most 16 rows: f32 [G] bias / unit, to be multiplied with a group's mins as floats
//   words that take a center from every code (WordLayout): i16 [parts][2] -center * the values that a word's sum has
//   f32        unit; f32 biasUnit / unit (asymmetric, many rows)
// 8 bits (words) have the unit alone, 127 / 32767 of the largest scale: values * scale are rounded to 16 bits.
// Each part is padded to 64 bytes. A panel's mins likewise: i16 [G / 2][16 rows][2], then f32 [16] units.
// Mins of 5 bits include center * scale. The rounding is 2^-16 of a row's largest scale and 2^-12 to 2^-14 of its
// largest bias: a tenth and less of what the int8 values themselves were rounded by.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "codegen/registry/MatmulConfig.h"

namespace llmc {

/// Writes the prepared scales of rows [0, rows) of `x` to `out`; for `words` all but the starts (emitWordRows).
void emitRowScales(KernelBuilder &k, const MatmulShape &shape, bool words, mlir::Value x, mlir::Value rows,
                   mlir::Value out);

/// 1 / unit. Never divides by zero: what has no largest value has only zeros.
mlir::Value inverseUnit(KernelBuilder &k, mlir::Value unit);

/// Writes a panel's mins as integers to `out`. Asymmetric weights only.
void emitMinSumWeights(KernelBuilder &k, const MatmulShape &shape, mlir::Value panel, mlir::Value out);

} // namespace llmc
