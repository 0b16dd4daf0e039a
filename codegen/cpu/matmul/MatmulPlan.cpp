// Reads a kern.func with a linear: shape, prologue, epilogue unit.
#include "codegen/cpu/matmul/MatmulKernel.h"

#include "codegen/registry/MatmulTuning.h"
#include "codegen/registry/WeightLayout.h"
#include "dialects/LLM/LLMTypes.h"

using namespace mlir;

namespace llmc {

static LogicalResult checkTypes(llm::LinearOp linear) {
  llm::QuantAttr quant = linear.getW().getType().getQuant();
  if (quant.isInteger() && quant.getGroup() != quantFormat(layoutFor(quant)).group && !quant.hasWideGroups())
    return linear.emitOpError("has no code on the CPU for weight groups of ") << quant.getGroup();
  if (auto qact = dyn_cast<llm::QActType>(linear.getX().getType()))
    if (!quant.isInteger() || qact.getZero() != quant.activationZero())
      return linear.emitOpError("has no code on the CPU for ") << qact << " with this weight";
  return success();
}

/// A product whose rows are heads of queries, keys and values.
static FailureOr<MatmulPlan> planHeads(MatmulPlan plan, llm::KvWriteOp write) {
  int64_t dim = write.getKv().getType().getDim();
  if (dim % kPanelRows != 0 || plan.shape.n % dim != 0)
    return write.emitOpError("has no code on the CPU: ")
           << plan.shape.n << " rows of the product are not heads of " << dim << ", a multiple of 16";
  plan.kvWrite = write;
  plan.shape.unitPanels = dim / kPanelRows;
  return plan;
}

/// A head: its results are the logits of some rows, and the largest of each tile of all rows.
static FailureOr<MatmulPlan> planHead(MatmulPlan plan, Operation *yield) {
  for (Value value : yield->getOperands()) {
    if (auto argmax = value.getDefiningOp<llm::ArgmaxOp>())
      plan.argmax = argmax;
    if (auto keep = value.getDefiningOp<llm::KeepRowsOp>())
      plan.keep = keep;
  }
  if (!plan.argmax || !plan.keep || plan.argmax.getLogits() != plan.keep.getX())
    return yield->emitOpError("has no code on the CPU: expected llm.keep_rows and llm.argmax of the same logits");
  plan.result = plan.keep.getX();
  if (llm::cols(plan.result.getType()) != plan.shape.n)
    return yield->emitOpError("has no code on the CPU: expected logits of ")
           << plan.shape.n << " columns, as the linear, found " << llm::cols(plan.result.getType());
  if (plan.argmax.getTile() % kPanelRows != 0)
    return plan.argmax.emitOpError("has no code on the CPU: tiles must be a multiple of 16 columns, found ")
           << plan.argmax.getTile();
  plan.shape.unitPanels = plan.argmax.getTile() / kPanelRows;
  return plan;
}

/// Numbers that kern-select-config found in a database, for all variants: scratch has to do for each of them.
static std::shared_ptr<const MatmulTuning> tuningOf(kern::FuncOp function) {
  auto tuning = std::make_shared<MatmulTuning>();
  bool any = false;
  for (Attribute entry : function.getConfigAttr() ? function.getConfigAttr().getValue() : llvm::ArrayRef<Attribute>()) {
    auto config = cast<kern::ConfigAttr>(entry);
    for (NamedAttribute level : config.getParams()) {
      auto values = dyn_cast<DictionaryAttr>(level.getValue());
      if (!values)
        continue; // a number that holds for all levels: no family has one
      std::vector<TunedNumber> numbers;
      for (NamedAttribute number : values)
        if (auto value = dyn_cast<IntegerAttr>(number.getValue()))
          numbers.push_back({number.getName().str(), value.getInt()});
      tuning->set(level.getName(), config.getMMax(), std::move(numbers));
      any = true;
    }
  }
  return any ? tuning : nullptr;
}

FailureOr<MatmulPlan> planMatmul(kern::FuncOp function, int64_t mMax) {
  Block &block = function.getBody().front();
  auto linears = llvm::to_vector(block.getOps<llm::LinearOp>());
  Operation *yield = block.getTerminator();
  const unsigned results = yield->getNumOperands();
  if (linears.size() != 1 || results < 1 || results > 2)
    return function.emitOpError(
        "expected one llm.linear and one result, or logits and their argmax, in a linear kernel");
  MatmulPlan plan;
  plan.linear = linears.front();
  if (failed(checkTypes(plan.linear)))
    return failure();
  plan.shape = productShape(plan.linear);
  plan.shape.mMax = mMax;
  plan.shape.tuning = tuningOf(function);
  plan.prologue = !isa<BlockArgument>(plan.linear.getX());
  if (plan.prologue && (mMax == 0 || mMax > kPrologueRows))
    plan.shape.mMax = kPrologueRows;
  auto writes = block.getOps<llm::KvWriteOp>();
  if (!writes.empty()) {
    plan.result = yield->getOperand(0);
    return planHeads(plan, *writes.begin());
  }
  if (results == 2)
    return planHead(plan, yield);
  plan.result = yield->getOperand(0);
  Type result = plan.result.getType();
  plan.quantizes = isa<llm::QActType>(result);
  int64_t columns = llm::cols(result);
  plan.interleaved = columns * 2 == plan.shape.n;
  if (!plan.interleaved && columns != plan.shape.n)
    return yield->emitOpError("has no code on the CPU: expected a result of ")
           << plan.shape.n << " columns, as the linear, or half of them, found " << columns;
  if (plan.quantizes && columns % kQuantGroup != 0)
    return yield->emitOpError("has no code on the CPU: columns to quantize must be a multiple of ")
           << kQuantGroup << ", found " << columns;
  plan.shape.unitPanels = (plan.interleaved ? 2 : 1) * (plan.quantizes ? 2 : 1);
  return plan;
}

int64_t matmulScratchBytes(kern::FuncOp function, int64_t) {
  FailureOr<MatmulPlan> plan = planMatmul(function, 0);
  if (failed(plan))
    return 0;
  return matmulScratchBytes(plan->shape) + (plan->prologue ? kPrologueRows * plan->shape.xStride() : 0);
}

} // namespace llmc
