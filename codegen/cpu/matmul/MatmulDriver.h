// The loops around register tiles: work items of workers, row blocks, panels of a unit, K blocks, epilogue rows.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "codegen/registry/MatmulConfig.h"
#include <functional>

namespace llmc {

/// Run-time words of a product.
struct MatmulWords {
  mlir::Value x;       ///< row 0 of the activations
  mlir::Value weights; ///< packed weight
  mlir::Value rows;    ///< M
  mlir::Value scratch; ///< this worker's matmulScratchBytes(), 64-byte aligned
};

/// Emits code that takes unit `unit` of row `row`: unitPanels * 16 f32 sums at `sums` (a pointer, 64-byte aligned).
using MatmulEpilogue = std::function<void(mlir::Value row, mlir::Value unit, mlir::Value sums)>;

/// One row of a unit, and where its sums lie.
struct OutputRow {
  mlir::Value row, sums;
};

/// The same for a few rows at once, so that what they compute can overlap. Rows may repeat: the last of a short batch
/// is there several times.
using MatmulRowsEpilogue = std::function<void(llvm::ArrayRef<OutputRow> rows, mlir::Value unit)>;

/// A cache that the kernel after the next few reads: each worker fetches pages of its share of the sequences into L2
/// beside its products, a page a panel, so that attention finds there what it would wait for. Only for the class of 17
/// to 64 rows.
struct MatmulAhead {
  mlir::Value cache; ///< the layer that is read next, in page 0; null: none
  mlir::Value batch;
  int64_t layerBytes = 0, pageBytes = 0;
  int64_t panelsBefore = 0; ///< of products that have fetched since the cache was read
};

/// What a product asks for besides its sums; all may be empty.
struct MatmulDealing {
  /// Called for all rows of a unit before the epilogue is called for the first of them.
  MatmulRowsEpilogue before;
  /// Unit number `i` in the order in which workers get them; else they go as they lie. Not used for 16 rows and less.
  std::function<mlir::Value(mlir::Value i)> unit;
  MatmulAhead ahead;
};

/// Emits the product on this worker's share of (row block, unit) items; items are contiguous, row block by row block.
void emitMatmul(KernelBuilder &k, const MatmulShape &shape, const MatmulWords &words, const MatmulEpilogue &epilogue);
/// The same with an epilogue that takes `together` rows.
void emitMatmul(KernelBuilder &k, const MatmulShape &shape, const MatmulWords &words, int64_t together,
                const MatmulRowsEpilogue &epilogue, const MatmulDealing &dealing = {});

/// The plain epilogue: columns [16 * panel, ...) of `out` rows, `columns` in all; no column past them is written.
void storePanelColumns(KernelBuilder &k, mlir::Value vector, mlir::Value rowPointer, mlir::Value column,
                       int64_t columns);

} // namespace llmc
