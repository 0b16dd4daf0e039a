// What every CUDA kernel begins with: a comment about its origin, the argument words by name, the number of rows.
#pragma once

#include "codegen/cuda/KernelText.h"
#include "codegen/cuda/SourceWriter.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>

namespace llmc {

/// The struct of codegen/cuda/device/convert.cuh for what a cache of `kind` holds.
llvm::StringRef cacheFormat(llm::QuantKind kind);

/// Opens `extern "C" __global__ void SYMBOL(const __grid_constant__ Args args) {` and names the argument words. Every
/// word becomes a `u8 *` called by its kind and number ("x0", "w1", "kv2", "out0"), a batch a `const Batch *`.
class KernelFrame {
public:
  /// `minBlocks`: blocks a multiprocessor should hold at once (0: no wish); limits registers. `waits`: the body begins
  /// by waiting for the kernel before; else the family calls wait() once weights are on their way. `cluster`: blocks of
  /// a cluster.
  KernelFrame(SourceWriter &writer, const CudaRequest &request, int64_t threads, int64_t minBlocks = 0,
              bool waits = true, int64_t cluster = 1);
  /// From here on the body may touch what other kernels write.
  void wait();

  /// One expression a block argument of the function, as RegionPrinter takes them; one a result.
  llvm::ArrayRef<std::string> arguments() const { return arguments_; }
  llvm::ArrayRef<std::string> results() const { return results_; }

  /// M as an int expression ("batch1->tokens", "4"). Failure (diagnostic on the function): rows T or S without a batch
  /// argument, or results of different rows.
  mlir::FailureOr<std::string> rowCount();
  /// Rows of the results: T when there are none.
  mlir::FailureOr<llm::Dim> rows();

  /// Ends the function: its text and what the frame knows of its launch, threads and words. The family adds grid,
  /// dynamic shared memory and `config`.
  KernelText finish();

private:
  SourceWriter &writer_;
  kern::FuncOp function_;
  const std::string symbol_;
  const int64_t threads_;
  const bool startsEarly_;
  llvm::SmallVector<std::string> arguments_, results_;
  std::optional<SourceWriter::Scope> body_;
};

} // namespace llmc
