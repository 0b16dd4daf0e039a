// How long one core takes for a matrix product, with weights from a cache or from memory.
#pragma once

#include "tests/unit/codegen/cpu/matmul/matmul_harness.h"

namespace llmc {

/// The class of row counts (kRowClasses) whose variant takes `rows` rows.
int64_t rowClass(int rows);

/// Seconds of processor time a product, the median of many. The weights rotate over `copies` places, so that a set
/// larger than the caches comes from memory. `work`: products that count as one, to see what a slower kernel would do.
double secondsOfProduct(BuiltMatmul &kernel, const MatmulShape &shape, int rows, size_t copies, int work = 1);

} // namespace llmc
