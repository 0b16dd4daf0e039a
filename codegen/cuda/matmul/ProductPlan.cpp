// Reads a kern.func with a linear, and refuses what the tensor cores' kernels do not take.
#include "codegen/cuda/matmul/ProductPlan.h"

#include "codegen/registry/WeightLayout.h"
#include "dialects/LLM/LLMTypes.h"

using namespace mlir;

namespace llmc {

static std::optional<Layout> layoutOf(llm::QuantAttr quant) { return fragmentLayoutFor(quant); }

/// Layout of the weight, if x and w can meet in an mma.
static FailureOr<Layout> checkOperands(llm::LinearOp linear) {
  llm::QuantAttr quant = linear.getW().getType().getQuant();
  auto x = dyn_cast<RankedTensorType>(linear.getX().getType());
  auto quantized = dyn_cast<llm::QActType>(linear.getX().getType());
  bool bytes = quantized && quantized.isE4M3();
  if (quant.getKind() == llm::QuantKind::E4M3 && !bytes)
    return linear.emitOpError("has no code on CUDA for e4m3 weights and x of ")
           << linear.getX().getType() << ": expected e4m3 rows, as llm.quantize makes them";
  if (!bytes && (!x || !x.getElementType().isBF16()))
    return linear.emitOpError("has no code on CUDA for x of ")
           << linear.getX().getType() << ": expected bf16 rows, as llm.cast makes them";
  if (!isa<BlockArgument>(linear.getX()))
    return linear.emitOpError("has no code on CUDA for an x that is computed in its kernel; expected rows in memory");
  std::optional<Layout> layout = layoutOf(quant);
  if (!layout && quant.isInteger() && quant.getGroup() > kQuantGroup)
    return linear.emitOpError("has no code on CUDA for weight groups of ")
           << quant.getGroup() << " of " << quant.describe() << ", expected " << kQuantGroup << ", or " << kWideGroup
           << " of i4 asym";
  if (!layout)
    return linear.emitOpError(
        "has no code on CUDA for f32 weights: tensor cores do not take them; store them as f16 or "
        "bf16");
  return *layout;
}

FailureOr<ProductPlan> planProduct(kern::FuncOp function, int64_t mMax) {
  Block &block = function.getBody().front();
  auto linears = llvm::to_vector(block.getOps<llm::LinearOp>());
  Operation *yield = block.getTerminator();
  if (linears.size() != 1 || yield->getNumOperands() == 0)
    return function.emitOpError("expected one llm.linear and results in a linear kernel");
  ProductPlan plan;
  plan.linear = linears.front();
  FailureOr<Layout> layout = checkOperands(plan.linear);
  if (failed(layout))
    return failure();
  auto weight = plan.linear.getW().getType();
  plan.shape = {weight.rows(), weight.cols(), *layout, mMax, 1};
  for (Value result : yield->getOperands()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type || type.getRank() != 2)
      return yield->emitOpError("has no code on CUDA for a result of ") << result.getType() << " from a product";
    int64_t columns = llm::cols(type);
    if (plan.columns != 0 && columns != plan.columns)
      return yield->emitOpError("has no code on CUDA: results of ")
             << plan.columns << " and of " << columns << " columns";
    plan.columns = columns;
  }
  plan.interleaved = plan.columns * 2 == plan.shape.n;
  plan.shape.unitPanels = plan.interleaved ? 2 : 1;
  if (!plan.interleaved && plan.columns != plan.shape.n)
    return yield->emitOpError("has no code on CUDA: expected a result of ")
           << plan.shape.n << " columns, as the linear, or half of them, found " << plan.columns;
  return plan;
}

} // namespace llmc
