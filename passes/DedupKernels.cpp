// Equal dispatch bodies -> one kern.func, called with weights and the cache's layer.
#include "passes/Passes.h"

#include "dialects/LLM/LLMTypes.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace llmc {
#define GEN_PASS_DEF_DEDUPKERNELS
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

/// Sets the layer of cache ops to 0 and returns the one they had.
std::optional<int64_t> takeLayer(kern::DispatchOp dispatch) {
  std::optional<int64_t> layer;
  auto zero = IntegerAttr::get(IntegerType::get(dispatch.getContext(), 64), 0);
  for (Operation &op : dispatch.getBlock())
    if (isa<llm::KvWriteOp, llm::AttendOp, llm::AttendPartialOp>(op)) {
      layer = op.getAttrOfType<IntegerAttr>("layer").getInt();
      op.setAttr("layer", zero);
    }
  return layer;
}

/// Everything that makes two kernels the same: hero and body without names of places.
std::string bodyKey(kern::DispatchOp dispatch) {
  std::string key = dispatch.getHero().str() + "\n";
  llvm::raw_string_ostream stream(key);
  for (BlockArgument argument : dispatch.getBlock().getArguments())
    stream << argument.getType() << ",";
  AsmState state(dispatch, OpPrintingFlags().printGenericOpForm().useLocalScope());
  for (Operation &op : dispatch.getBlock()) {
    op.print(stream, state);
    stream << "\n";
  }
  return key;
}

/// "linear_960x576", "norm_576", ...: what a person looks for first.
std::string kernelStem(kern::DispatchOp dispatch) {
  std::string stem = dispatch.getHero().str();
  for (Operation &op : dispatch.getBlock())
    if (auto linear = dyn_cast<llm::LinearOp>(op)) {
      auto weight = cast<llm::WeightType>(linear.getW().getType());
      return stem + "_" + std::to_string(weight.rows()) + "x" + std::to_string(weight.cols());
    }
  if (dispatch.getNumResults() > 0 &&
      (llm::dimsOf(dispatch.getResult(0).getType()) || isa<llm::QActType>(dispatch.getResult(0).getType())))
    stem += "_" + std::to_string(llm::cols(dispatch.getResult(0).getType()));
  return stem;
}

struct DedupKernelsPass : impl::DedupKernelsBase<DedupKernelsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    llvm::StringMap<kern::FuncOp> known;
    llvm::MapVector<Operation *, llvm::SetVector<Attribute>> origins;
    llvm::SmallVector<kern::DispatchOp> dispatches;
    module.walk([&](kern::DispatchOp op) { dispatches.push_back(op); });
    for (kern::DispatchOp dispatch : dispatches) {
      std::optional<int64_t> layer = takeLayer(dispatch);
      kern::FuncOp &function = known[bodyKey(dispatch)];
      if (!function)
        function = createFunction(symbols, dispatch);
      if (auto names = dispatch.getOriginAttr())
        origins[function].insert(names.begin(), names.end());
      OpBuilder builder(dispatch);
      auto call = kern::CallOp::create(builder, dispatch.getLoc(), function, dispatch.getInputs(), layer);
      dispatch.replaceAllUsesWith(call.getResults());
      dispatch.erase();
    }
    for (auto &[function, names] : origins)
      cast<kern::FuncOp>(function).setOriginAttr(ArrayAttr::get(&getContext(), names.getArrayRef()));
  }

  kern::FuncOp createFunction(SymbolTable &symbols, kern::DispatchOp dispatch) {
    OpBuilder builder = OpBuilder::atBlockBegin(getOperation().getBody());
    auto type = builder.getFunctionType(dispatch->getOperandTypes(), dispatch->getResultTypes());
    auto function = kern::FuncOp::create(builder, dispatch.getLoc(), kernelStem(dispatch), type, dispatch.getHero());
    symbols.insert(function, getOperation().getBody()->getOperations().begin());
    if (dispatch.getFusedAttr())
      function.setFusedAttr(dispatch.getFusedAttr());
    IRMapping mapping;
    dispatch.getBody().cloneInto(&function.getBody(), mapping);
    return function;
  }
};

} // namespace
} // namespace llmc
