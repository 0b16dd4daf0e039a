// Small building blocks on 16-lane vectors that the region's ops share: masks, strided gathers, permutations.
#pragma once

#include "codegen/cpu/KernelBuilder.h"

namespace llmc {

/// Columns that one chunk of a row holds.
inline constexpr int64_t kChunk = 16;

/// `vector` with the lanes from `count` on replaced by those of `fill`; `count` in [1, 16], 16 emits nothing.
mlir::Value keepFirst(KernelBuilder &k, mlir::Value vector, int64_t count, mlir::Value fill);

mlir::Value select(KernelBuilder &k, mlir::Value condition, mlir::Value a, mlir::Value b);

/// vector<count x element>: lane i is loaded from base + i * strideBytes.
mlir::Value gatherStrided(KernelBuilder &k, mlir::Type element, int64_t count, mlir::Value base, int64_t strideBytes);

/// vector<16xf32> whose lane i is element index[i] of the concatenated 16-lane `sources`; a negative index leaves the
/// lane unspecified. Emits nothing for an identity, else one shuffle for each source after the first.
mlir::Value permute(KernelBuilder &k, llvm::ArrayRef<mlir::Value> sources, llvm::ArrayRef<int64_t> index);

/// bf16 bits as i16 -> f32, and f32 -> bf16 bits (round to nearest even; NaN stays NaN only by luck of its payload). In
/// integer arithmetic because LLVM calls a library function for these below AVX512-BF16.
mlir::Value extBF16(KernelBuilder &k, mlir::Value bits);
mlir::Value truncBF16(KernelBuilder &k, mlir::Value v);

/// f32 -> i32, round to nearest even.
mlir::Value roundToInt(KernelBuilder &k, mlir::Value v);

/// Bytes of stack in the kernel's frame, 64-byte aligned, valid in the whole kernel.
mlir::Value frameBytes(KernelBuilder &k, int64_t bytes);

} // namespace llmc
