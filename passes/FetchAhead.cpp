// Products between two layers' attention get the cache: they bring what is read next.
#include "passes/Passes.h"
#include "passes/Program.h"
#include "passes/Target.h"

#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMTypes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"

namespace llmc {
#define GEN_PASS_DEF_FETCHAHEAD
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

/// Kernels, and the panels of 16 weight rows that products before them have since the cache was read.
using Products = llvm::MapVector<Operation *, int64_t>;

kern::FuncOp kernelOf(kern::CallOp call) {
  return SymbolTable::lookupNearestSymbolFrom<kern::FuncOp>(call, call.getCalleeAttr());
}

/// Rows of the weight of the product that a kernel is made around; 0: it is none.
int64_t weightRows(kern::FuncOp kernel) {
  for (auto linear : kernel.getBody().getOps<llm::LinearOp>())
    return cast<llm::WeightType>(linear.getW().getType()).rows();
  return 0;
}

bool readsCache(kern::FuncOp kernel) {
  return llvm::any_of(kernel.getBody().getOps(),
                      [](Operation &op) { return isa<llm::AttendOp, llm::AttendPartialOp>(op); });
}

bool hasCache(kern::FuncOp kernel) {
  return llvm::any_of(kernel.getArgumentTypes(), [](Type type) { return isa<llm::KvType>(type); });
}

/// The cache of a program, its second argument; null: it has none.
Value cacheOf(func::FuncOp program) {
  if (program.isDeclaration() || program.getNumArguments() < 2 || !isa<llm::KvType>(program.getArgumentTypes()[1]))
    return {};
  return program.getArgument(1);
}

struct FetchAheadPass : impl::FetchAheadBase<FetchAheadPass> {
  using FetchAheadBase::FetchAheadBase;

  void runOnOperation() override {
    auto machine = targetOf(getOperation(), target);
    if (failed(machine))
      return signalPassFailure();
    if (*machine != Target::Cpu)
      return;
    for (func::FuncOp program : definedFunctions(getOperation())) {
      auto limit = program->getAttrOfType<IntegerAttr>(kTokensMaxAttr);
      // Few tokens wait for weights: there is no time that nothing else would use.
      if (!cacheOf(program) || (limit && limit.getInt() > 0))
        continue;
      for (auto [kernel, panels] : findProducts(program))
        prepare(cast<kern::FuncOp>(kernel), panels, cacheOf(program).getType());
    }
    for (func::FuncOp program : definedFunctions(getOperation()))
      giveCache(program);
  }

  static Products findProducts(func::FuncOp program) {
    Products found, layer;
    std::optional<int64_t> panels; // none before the first call that reads the cache
    for (auto call : program.getOps<kern::CallOp>()) {
      kern::FuncOp kernel = kernelOf(call);
      if (readsCache(kernel)) {
        for (auto &product : layer)
          found.insert(product);
        layer.clear();
        panels = 0;
      } else if (int64_t rows = weightRows(kernel); rows > 0 && panels) {
        layer.insert({kernel, *panels});
        *panels += (rows + 15) / 16;
      }
    }
    return found;
  }

  /// The kernel's last input becomes the cache, unless it has it: then it writes the layer that is read next.
  void prepare(kern::FuncOp kernel, int64_t panels, Type cache) {
    auto uses = SymbolTable::getSymbolUses(kernel, getOperation());
    bool callable =
        uses && llvm::all_of(*uses, [&](SymbolTable::SymbolUse use) {
          auto program = use.getUser()->getParentOfType<func::FuncOp>();
          return program && isa<kern::CallOp>(use.getUser()) && cacheOf(program) && cacheOf(program).getType() == cache;
        });
    if (!callable || kernel->hasAttr(kern::kPanelsBeforeAttr))
      return;
    kernel->setAttr(kern::kPanelsBeforeAttr, IntegerAttr::get(IntegerType::get(&getContext(), 64), panels));
    if (hasCache(kernel))
      return;
    Block &body = kernel.getBody().front();
    body.addArgument(cache, kernel.getLoc());
    kernel.setFunctionType(
        FunctionType::get(&getContext(), body.getArgumentTypes(), kernel.getFunctionType().getResults()));
  }

  /// Calls of such kernels name the layer that is read next; those behind the last one name that one again.
  static void giveCache(func::FuncOp program) {
    llvm::SmallVector<kern::CallOp> calls(program.getOps<kern::CallOp>());
    std::optional<int64_t> next;
    for (kern::CallOp call : llvm::reverse(calls))
      if (!next && readsCache(kernelOf(call)))
        next = call.getKvLayer();
    for (kern::CallOp call : llvm::reverse(calls)) {
      kern::FuncOp kernel = kernelOf(call);
      if (readsCache(kernel))
        next = call.getKvLayer();
      if (call.getInputs().size() == kernel.getArgumentTypes().size())
        continue;
      llvm::SmallVector<Value> inputs(call.getInputs());
      inputs.push_back(cacheOf(program));
      OpBuilder builder(call);
      auto fresh = kern::CallOp::create(builder, call.getLoc(), kernel, inputs, next.value_or(0));
      call.replaceAllUsesWith(fresh.getResults());
      call.erase();
    }
  }
};

} // namespace
} // namespace llmc
