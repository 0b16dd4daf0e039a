// The oracle: runs a model function of the llm dialect, kernels of the kern dialect included, in double precision.
#pragma once

#include "dialects/LLM/LLMDialect.h"
#include "dialects/Reference/Tensor.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

#include <functional>
#include <memory>
#include <vector>

namespace llmc::reference {

struct InterpreterOptions {
  bool roundActivations = true;  ///< llm.quantize and llm.cast round as kernels do; false: they keep their input
  bool roundCache = true;        ///< the cache holds what its type says; false: doubles
};

/// Gives the values of a weight, [N, K] or [N, 1]; those of quantized types dequantized. Failure: the provider has
/// emitted why.
using WeightProvider = std::function<mlir::FailureOr<Tensor>(llm::WeightOp)>;
/// Called with every result as it is computed.
using Probe = std::function<void(mlir::Value, const Tensor&)>;

/// Slow and obvious: one pass over the ops, one function of Eval.h for each. Weights are asked for once and kept.
class Interpreter {
 public:
  Interpreter(mlir::ModuleOp module, WeightProvider weights, InterpreterOptions options = {})
      : module_(module), weights_(std::move(weights)), options_(options) {}

  void setProbe(Probe probe) { probe_ = std::move(probe); }

  /// Runs func.func `function` for one step; `inputs` are its tensor arguments in order, batch and cache those of every
  /// `!llm.batch` and `!llm.kv`. On failure a diagnostic has been emitted on the op.
  mlir::FailureOr<std::vector<Tensor>> run(llvm::StringRef function, const Batch& batch, KvCache& kv,
                                           llvm::ArrayRef<Tensor> inputs = {});

 private:
  using TensorPtr = std::shared_ptr<const Tensor>;
  using Frame = llvm::DenseMap<mlir::Value, TensorPtr>;
  /// What ops see besides their operands; `layer` is added to the layer of cache ops (kern.call's kv_layer).
  struct Step {
    const Batch& batch;
    KvCache& kv;
    int64_t layer;
  };

  mlir::FailureOr<std::vector<TensorPtr>> runBlock(mlir::Block& block, llvm::ArrayRef<TensorPtr> arguments, Step step);
  mlir::LogicalResult runOp(mlir::Operation* op, Frame& frame, Step step);
  mlir::LogicalResult runNested(mlir::Operation* op, mlir::Block& block, Frame& frame, Step step);
  mlir::LogicalResult use(llm::UseOp op, Frame& frame);
  void define(mlir::Value value, Tensor tensor, Frame& frame);

  mlir::ModuleOp module_;
  WeightProvider weights_;
  InterpreterOptions options_;
  Probe probe_;
  llvm::StringMap<TensorPtr> loaded_;
};

}  // namespace llmc::reference
