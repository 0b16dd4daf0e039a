// Activation scales as 16-bit multiples of one scale a row: two of them scale a group's integer sums in one vpmaddwd.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "codegen/registry/MatmulConfig.h"

namespace llmc {

// Prepared scales of one row of x (RowScalesLayout). G groups of 32 columns, two activation scales each:
//   i16 [2 G]  round(scale / unit): 4-bit sums of 16 columns fit 16 bits (16 * 15 * 127), so a group's two products
//   with
//              these stay below 2^31
//   asymmetric weights: f32 [G] bias / unit; symmetric ones: i32 [G] bias / unit
//   f32        unit = largest scale of the row / 32767
// Each part is padded to 64 bytes. Relative to the row's largest scale the rounding is 2^-16, a hundredth of what the
// int8 values themselves were rounded by.

/// Writes the prepared scales of rows [0, rows) of `x` to `out`.
void emitRowScales(KernelBuilder &k, const MatmulShape &shape, mlir::Value x, mlir::Value rows, mlir::Value out);

} // namespace llmc
