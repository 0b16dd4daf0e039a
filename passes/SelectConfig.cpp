// Variants of each kernel by the rows it can meet.
#include "passes/Passes.h"
#include "passes/Target.h"

#include "codegen/registry/TuningDatabase.h"
#include "codegen/registry/WeightLayout.h"
#include "dialects/LLM/LLMTypes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include <optional>

namespace llmc {
#define GEN_PASS_DEF_SELECTCONFIG
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

/// Programs that call a kernel.
struct Callers {
  bool decode = false, mixed = false;
};

/// Row classes of a product. Few tokens: up to kDecodeTokens in the decode program. Any number: the mixed program
/// starts past them, but the head there still meets a single row. A product without int8 rows before it has one body in
/// both programs and needs the classes of both.
llvm::ArrayRef<int64_t> rowClasses(bool product, Callers callers, bool selectedRows) {
  static constexpr int64_t kAny[] = {0}, kFew[] = {1, kDecodeTokens}, kTokens[] = {16, 64, 0},
                           kAll[] = {1, 4, 16, 64, 0};
  if (!product)
    return kAny;
  if (selectedRows || (callers.decode && callers.mixed))
    return kAll;
  return callers.decode ? llvm::ArrayRef<int64_t>(kFew) : llvm::ArrayRef<int64_t>(kTokens);
}

llvm::SmallVector<int64_t> cudaRowClasses(kern::FuncOp kernel) {
  if (kernel.getHero() != "linear")
    return {0};
  llvm::SmallVector<int64_t> classes(std::begin(kCudaRowClasses), std::end(kCudaRowClasses));
  std::optional<CudaProduct> product = cudaProductOf(kernel);
  if (!product || product->n * product->k < kLeastChunkedWeights)
    llvm::erase(classes, 512);
  return classes;
}

/// What databases know a kernel by on `machine`; empty: it is no attention and has not exactly one product, or no code
/// there.
std::string keyOf(kern::FuncOp kernel, Target machine) {
  if (machine == Target::Cuda && kernel.getHero() == "attend") {
    std::optional<CudaAttention> attention = cudaAttentionOf(kernel);
    return attention ? attentionKey(*attention) : std::string();
  }
  if (kernel.getHero() != "linear")
    return {};
  if (machine == Target::Cuda) {
    std::optional<CudaProduct> product = cudaProductOf(kernel);
    return product ? cudaProductKey(*product) : std::string();
  }
  auto linears = llvm::to_vector(kernel.getBody().getOps<llm::LinearOp>());
  return linears.size() == 1 ? productKey(productShape(linears.front())) : std::string();
}

/// What `database` knows of a class of a kernel: {level = {name = value}}; levels of CUDA are architectures.
DictionaryAttr tunedParams(Builder &builder, const TuningDatabase &database, kern::FuncOp kernel, Target machine,
                           int64_t mMax) {
  llvm::SmallVector<NamedAttribute> levels;
  const std::string key = keyOf(kernel, machine);
  if (key.empty())
    return builder.getDictionaryAttr({});
  for (const TuningRecord &record : database.records()) {
    if (record.target != (machine == Target::Cpu ? "cpu" : "cuda") || record.family != kernel.getHero() ||
        record.shape != key || record.mMax != mMax)
      continue;
    llvm::SmallVector<NamedAttribute> numbers;
    for (const TunedNumber &number : record.numbers)
      numbers.push_back(builder.getNamedAttr(number.name, builder.getI64IntegerAttr(number.value)));
    levels.push_back(builder.getNamedAttr(record.arch, builder.getDictionaryAttr(numbers)));
  }
  return builder.getDictionaryAttr(levels);
}

struct SelectConfigPass : impl::SelectConfigBase<SelectConfigPass> {
  using SelectConfigBase::SelectConfigBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto machine = targetOf(module, target);
    if (failed(machine))
      return signalPassFailure();
    TuningDatabase database;
    if (!tuning.empty()) {
      auto read = TuningDatabase::read(tuning);
      if (!read) {
        module.emitError(read.status().message());
        return signalPassFailure();
      }
      database = read.take();
    }
    llvm::DenseMap<Operation *, Callers> callers;
    module.walk([&](kern::CallOp call) {
      auto kernel = SymbolTable::lookupNearestSymbolFrom<kern::FuncOp>(call, call.getCalleeAttr());
      auto limit = call->getParentOfType<func::FuncOp>()->getAttrOfType<IntegerAttr>(kTokensMaxAttr);
      bool few = limit && limit.getInt() > 0;
      (few ? callers[kernel].decode : callers[kernel].mixed) = true;
    });
    Builder builder(&getContext());
    for (auto kernel : module.getOps<kern::FuncOp>()) {
      llvm::SmallVector<Attribute> variants;
      bool rows = false;
      bool product = kernel.getHero() == "linear";
      for (Type type : kernel.getResultTypes())
        rows = rows || llm::rowsDim(type).isS();
      for (int64_t limit : *machine == Target::Cuda
                               ? cudaRowClasses(kernel)
                               : llvm::SmallVector<int64_t>(rowClasses(product, callers.lookup(kernel), rows)))
        variants.push_back(
            kern::ConfigAttr::get(&getContext(), limit, tunedParams(builder, database, kernel, *machine, limit)));
      kernel.setConfigAttr(builder.getArrayAttr(variants));
    }
  }
};

} // namespace
} // namespace llmc
