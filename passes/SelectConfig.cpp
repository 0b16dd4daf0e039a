// Variants of each kernel by the rows it can meet.
#include "passes/Passes.h"

#include "dialects/LLM/LLMTypes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"

namespace llmc {
#define GEN_PASS_DEF_SELECTCONFIG
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

/// Row classes of a product. Few tokens: up to 8 in the decode program, so its last class serves 5 to 8. Any number: the
/// mixed program starts past 8 tokens, but the head there still meets a single row.
llvm::ArrayRef<int64_t> rowClasses(bool product, bool fewTokens, bool selectedRows) {
  static constexpr int64_t kAny[] = {0}, kFew[] = {1, 4, 16}, kTokens[] = {16, 64, 0}, kRows[] = {1, 4, 16, 64, 0};
  if (!product)
    return kAny;
  if (selectedRows)
    return kRows;
  return fewTokens ? llvm::ArrayRef<int64_t>(kFew) : llvm::ArrayRef<int64_t>(kTokens);
}

struct SelectConfigPass : impl::SelectConfigBase<SelectConfigPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::DenseMap<Operation *, bool> few; // kernel -> only decode calls it
    module.walk([&](kern::CallOp call) {
      auto kernel = SymbolTable::lookupNearestSymbolFrom<kern::FuncOp>(call, call.getCalleeAttr());
      auto limit = call->getParentOfType<func::FuncOp>()->getAttrOfType<IntegerAttr>(kTokensMaxAttr);
      bool here = limit && limit.getInt() > 0;
      auto [it, fresh] = few.try_emplace(kernel, here);
      it->second = it->second && here;
    });
    Builder builder(&getContext());
    for (auto kernel : module.getOps<kern::FuncOp>()) {
      llvm::SmallVector<Attribute> variants;
      bool rows = false;
      bool product = kernel.getHero() == "linear";
      for (Type type : kernel.getResultTypes())
        rows = rows || llm::rowsDim(type).isS();
      for (int64_t limit : rowClasses(product, few.lookup(kernel), rows))
        variants.push_back(kern::ConfigAttr::get(&getContext(), limit));
      kernel.setConfigAttr(builder.getArrayAttr(variants));
    }
  }
};

} // namespace
} // namespace llmc
