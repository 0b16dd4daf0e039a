// Scales and mins of quantized groups as floats.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "codegen/registry/PackedLayout.h"

namespace llmc {

/// Where the numbers of a group start: f16 at `at` + `disp`, or bytes there and their f16 factors at `header` +
/// `headerDisp`.
struct ScalePlace {
  mlir::Value at, header;
  int64_t disp = 0, headerDisp = 0;
};

/// Scales or mins of `lanes` rows of a panel from row `first` on, f32.
mlir::Value loadScales(KernelBuilder &k, Layout layout, const ScalePlace &place, int64_t first, int64_t lanes);

} // namespace llmc
