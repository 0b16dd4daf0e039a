// Scales and mins of quantized groups as floats.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "codegen/registry/PackedLayout.h"

namespace llmc {

/// Where the numbers of a group start: f16 at `at` + `disp`, or bytes there and their f16 factors at `header` +
/// `headerDisp`, unless `factors` has them already.
struct ScalePlace {
  mlir::Value at, header;
  int64_t disp = 0, headerDisp = 0;
  mlir::Value factors;
};

/// `lanes` f16 numbers at `at` + `disp` from number `first` on, as f32.
mlir::Value loadHalfs(KernelBuilder &k, mlir::Value at, int64_t disp, int64_t first, int64_t lanes);

/// Scales or mins of `lanes` rows of a panel from row `first` on, f32.
mlir::Value loadScales(KernelBuilder &k, Layout layout, const ScalePlace &place, int64_t first, int64_t lanes);

} // namespace llmc
