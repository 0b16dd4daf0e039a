// What a CUDA kernel is before it is compiled: its text and how it is launched; entry points of the kernel families.
#pragma once

#include "codegen/cuda/KernelCost.h"
#include "codegen/registry/TunedNumber.h"
#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMDialect.h"
#include <string>

namespace llmc {

/// One dimension of a launch grid, from what is known when a step starts: base + ceilDiv(T, tTile) * tCount +
/// ceilDiv(S, sTile) * sCount + sequences * seqCount, at least 1. A tile of 0: that term is absent.
struct GridDim {
  int64_t base = 1, tTile = 0, tCount = 0, sTile = 0, sCount = 0, seqCount = 0;

  /// `tile` rows a block, `count` blocks for each tile; rows are T, S or a number.
  static GridDim rows(llm::Dim rows, int64_t tile, int64_t count = 1);
  static GridDim fixed(int64_t count) { return {count}; }
  static GridDim sequences(int64_t count = 1) { return {0, 0, 0, 0, 0, count}; }
  friend bool operator==(const GridDim &, const GridDim &) = default;
};

/// The whole translation unit of one variant, without the device library (which Nvrtc puts before it), and its launch.
struct KernelText {
  std::string symbol, text;
  int64_t threads = 0;     ///< of a block, in one dimension
  int64_t sharedBytes = 0; ///< dynamic shared memory; static arrays in the text come on top
  GridDim grid[3] = {};
  /// Blocks that take their work in turn: x of the grid is at most this times the device's multiprocessors. 0: no
  /// limit.
  int64_t blocksPerSm = 0;
  /// Blocks of a cluster, neighbours in x, which run at once; x of the grid is a multiple. 1: no clusters.
  int64_t cluster = 1;
  /// Registers that the block's warpgroups deal out among themselves (setmaxnreg); 0: none. A launch with fewer hangs.
  int64_t dealtRegisters = 0;
  bool waits = false;      ///< for the kernel before it, so that it may start before that one has ended
  std::string config = {}; ///< for people: "256 threads a row, 4 columns a load"
  int64_t words = 0;       ///< 8-byte arguments: inputs of the function, then its results
  KernelCost cost = {};    ///< what a launch moves and computes
};

/// "add_norm_any: grid (1 * T, 1, 1), 160 threads, 0 bytes of shared memory".
std::string describeLaunch(const KernelText &text);

/// One variant of one kernel: `function` for M <= mMax rows (0: any number), as `symbol`, for `arch`.
struct CudaRequest {
  kern::FuncOp function;
  llvm::StringRef symbol;
  const Arch &arch;
  int64_t mMax = 0;
  /// Products of any M take Hopper's form wherever it fits, not only where the model finds it faster: small ones in
  /// tests.
  bool warpgroups = false;
  /// Numbers of a configuration instead of those that the function has (TunedChoice.h).
  llvm::ArrayRef<TunedNumber> tuned = {};
};

/// Writes `request` by its hero's family. Failure: a diagnostic on the op that has no lowering.
mlir::FailureOr<KernelText> emitCudaKernel(const CudaRequest &request);

// Families; emitCudaKernel() picks one.
mlir::FailureOr<KernelText> emitCudaRowKernel(const CudaRequest &request);
mlir::FailureOr<KernelText> emitCudaArgmax(const CudaRequest &request);
mlir::FailureOr<KernelText> emitCudaSample(const CudaRequest &request);
mlir::FailureOr<KernelText> emitCudaKvWrite(const CudaRequest &request);
mlir::FailureOr<KernelText> emitCudaMatmul(const CudaRequest &request);
mlir::FailureOr<KernelText> emitCudaAttend(const CudaRequest &request);

} // namespace llmc
