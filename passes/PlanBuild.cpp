// kern.call in two programs -> plan.engine.
#include "passes/Passes.h"
#include "passes/Program.h"
#include "passes/Target.h"

#include "dialects/LLM/LLMTypes.h"
#include "runtime/format/cuda_abi.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/SetVector.h"

namespace llmc {
#define GEN_PASS_DEF_PLANBUILD
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

int64_t scratchOf(kern::FuncOp kernel) {
  auto attr = kernel->getAttrOfType<IntegerAttr>(kScratchAttr);
  return attr ? attr.getInt() : 0;
}

/// Bytes of one row of a value in memory.
int64_t rowBytes(Type type) {
  if (auto quantized = dyn_cast<llm::QActType>(type))
    return rt::rowStrideBytes(quantized.isE4M3() ? rt::e4m3RowBytes(quantized.getCols())
                                                 : rt::quantizedRowBytes(quantized.getCols(), quantized.biasGroup()));
  auto tensor = cast<RankedTensorType>(type);
  return rt::rowStrideBytes(llm::cols(type) * tensor.getElementTypeBitWidth() / 8);
}

plan::SlotUnit unitOf(Type type) {
  llm::Dim rows = llm::rowsDim(type);
  if (rows.isT())
    return plan::SlotUnit::Token;
  return rows.isS() ? plan::SlotUnit::Row : plan::SlotUnit::Fixed;
}

/// The op in a kernel whose result `value` is; null for what no kernel makes.
Operation *sourceOf(Value value) {
  auto call = value.getDefiningOp<kern::CallOp>();
  auto kernel = call ? SymbolTable::lookupNearestSymbolFrom<kern::FuncOp>(call, call.getCalleeAttr()) : nullptr;
  return kernel ? kernel.getYield().getOperand(cast<OpResult>(value).getResultNumber()).getDefiningOp() : nullptr;
}

/// Whether a launch of the kernel depends on what the cache holds, or changes it: one that only fetches does not.
bool usesCache(kern::FuncOp kernel) {
  return llvm::any_of(kernel.getBody().getArguments(), [](BlockArgument argument) {
    return isa<llm::KvType>(argument.getType()) && !argument.use_empty();
  });
}

/// A program under construction: slots in one region a unit, launches by phase.
class ProgramBuilder {
public:
  explicit ProgramBuilder(func::FuncOp function) : function_(function), ctx_(function.getContext()) {}

  void build(OpBuilder &builder) {
    for (auto call : function_.getOps<kern::CallOp>())
      addCall(call);
    auto ret = cast<func::ReturnOp>(function_.front().getTerminator());
    auto limit = function_->getAttrOfType<IntegerAttr>(kTokensMaxAttr);
    for (auto [i, bytes] : llvm::enumerate(scratch_))
      slots_.push_back({scratchName(i), plan::SlotUnit::Worker, claim(plan::SlotUnit::Worker, bytes), bytes});
    auto program = plan::ProgramOp::create(builder, function_.getLoc(), function_.getName(), limit ? limit.getInt() : 0,
                                           names_.lookup(ret.getOperand(0)), regions_);
    if (ret.getNumOperands() > 1) {
      program.setArgmax(names_.lookup(ret.getOperand(1)));
      program.setArgmaxTile(cast<llm::ArgmaxOp>(sourceOf(ret.getOperand(1))).getTile());
    }
    if (ret.getNumOperands() > 2)
      program.setSample(names_.lookup(ret.getOperand(2)));
    if (auto most = function_->getAttrOfType<IntegerAttr>(kQueryMaxAttr))
      program.setQMax(most.getInt());
    OpBuilder body = OpBuilder::atBlockEnd(&program.getBlock());
    for (const Slot &slot : slots_)
      plan::SlotOp::create(body, function_.getLoc(), slot.name, slot.unit, slot.offset, slot.bytes);
    for (const auto &phase : phases_) {
      auto op = plan::PhaseOp::create(body, phase.front().loc);
      OpBuilder inner = OpBuilder::atBlockEnd(&op.getBlock());
      for (const Launch &launch : phase)
        plan::LaunchOp::create(inner, launch.loc, launch.kernel, body.getArrayAttr(launch.args), launch.layer);
    }
  }

private:
  struct Slot {
    std::string name;
    plan::SlotUnit unit;
    int64_t offset, bytes;
  };
  struct Launch {
    Location loc;
    std::string kernel;
    llvm::SmallVector<Attribute> args;
    int64_t layer;
  };

  int64_t claim(plan::SlotUnit unit, int64_t bytes) {
    int64_t &end = regions_[static_cast<int>(unit)];
    return std::exchange(end, end + bytes);
  }

  void addSlot(Value value) {
    std::string name = "v" + std::to_string(slots_.size());
    plan::SlotUnit unit = unitOf(value.getType());
    int64_t bytes = rowBytes(value.getType());
    slots_.push_back({name, unit, claim(unit, bytes), bytes});
    names_[value] = name;
  }

  Attribute argument(Value value, int64_t layer) {
    if (auto use = value.getDefiningOp<llm::UseOp>())
      return plan::weightArg(ctx_, use.getWeight());
    if (auto kv = dyn_cast<llm::KvType>(value.getType()))
      return plan::kvArg(ctx_, layer * kv.layerBytes());
    if (isa<llm::BatchType>(value.getType()))
      return plan::batchArg(ctx_);
    return plan::slotArg(ctx_, names_.lookup(value));
  }

  void addCall(kern::CallOp call) {
    auto kernel = SymbolTable::lookupNearestSymbolFrom<kern::FuncOp>(call, call.getCalleeAttr());
    int64_t layer = call.getKvLayer().value_or(-1);
    Launch launch{call.getLoc(), call.getCallee().str(), {}, layer};
    for (Value input : call.getInputs())
      launch.args.push_back(argument(input, layer));
    for (Value output : call.getOutputs()) {
      addSlot(output);
      launch.args.push_back(argument(output, layer));
    }
    const bool cache = usesCache(kernel);
    openPhase(call, cache);
    if (int64_t bytes = scratchOf(kernel))
      launch.args.push_back(plan::slotArg(ctx_, scratchName(scratchSlot(bytes))));
    place(call, std::move(launch), cache);
  }

  static std::string scratchName(size_t index) { return "scratch" + (index ? std::to_string(index) : ""); }

  /// The scratch slot of a launch in the current phase. A kernel finds worker w's part at w * its own bytes, and
  /// workers of a phase are at different launches at one time: kernels of different sizes need slots of their own
  /// there.
  size_t scratchSlot(int64_t bytes) {
    size_t index = llvm::find(phaseScratch_, bytes) - phaseScratch_.begin();
    if (index == phaseScratch_.size())
      phaseScratch_.push_back(bytes);
    if (index == scratch_.size())
      scratch_.push_back(bytes);
    scratch_[index] = std::max(scratch_[index], bytes);
    return index;
  }

  /// A launch needs a new phase when it reads what the current one makes, or both touch the cache.
  void openPhase(kern::CallOp call, bool cache) {
    bool depends = phases_.empty() || (cache && phaseCache_);
    for (Value input : call.getInputs())
      depends = depends || phaseValues_.contains(input);
    if (depends) {
      phases_.emplace_back();
      phaseValues_.clear();
      phaseScratch_.clear();
      phaseCache_ = false;
    }
  }

  void place(kern::CallOp call, Launch launch, bool cache) {
    phases_.back().push_back(std::move(launch));
    phaseCache_ = phaseCache_ || cache;
    for (Value output : call.getOutputs())
      phaseValues_.insert(output);
  }

  func::FuncOp function_;
  MLIRContext *ctx_;
  llvm::DenseMap<Value, std::string> names_;
  std::vector<Slot> slots_;
  std::vector<std::vector<Launch>> phases_;
  llvm::DenseSet<Value> phaseValues_;
  bool phaseCache_ = false;
  llvm::SmallVector<int64_t> phaseScratch_; ///< bytes a worker of the scratch slots in use in the current phase
  llvm::SmallVector<int64_t> scratch_;      ///< bytes a worker of all scratch slots
  llvm::SmallVector<int64_t, 4> regions_ = {0, 0, 0, 0};
};

struct PlanBuildPass : impl::PlanBuildBase<PlanBuildPass> {
  using PlanBuildBase::PlanBuildBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto machine = targetOf(module, target);
    if (failed(machine))
      return signalPassFailure();
    llvm::SmallVector<func::FuncOp> functions(module.getOps<func::FuncOp>());
    llvm::SmallVector<kern::FuncOp> kernels(module.getOps<kern::FuncOp>());
    for (func::FuncOp function : functions)
      if (failed(checkBody(function)))
        return signalPassFailure();
    if (functions.empty()) {
      module.emitError("expected a program to plan, found no function");
      return signalPassFailure();
    }
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    plan::EngineOp engine = createEngine(builder, functions[0], *machine);
    OpBuilder body = OpBuilder::atBlockEnd(&engine.getBlock());
    for (kern::FuncOp kernel : kernels)
      createKernel(body, kernel);
    // Programs rise in the tokens they take, of a sequence first; 0, any number, comes last.
    llvm::stable_sort(functions, [](func::FuncOp a, func::FuncOp b) { return bounds(a) < bounds(b); });
    for (func::FuncOp function : functions)
      ProgramBuilder(function).build(body);
    for (func::FuncOp function : functions)
      function.erase();
  }

  static LogicalResult checkBody(func::FuncOp function) {
    if (function.isDeclaration())
      return function.emitOpError("expected a program, found the declaration of one");
    for (Operation &op : function.front())
      if (!isa<kern::CallOp, llm::UseOp, func::ReturnOp>(op))
        return op.emitOpError(
            "is not part of a kernel, expected kern.call, llm.use and return alone: run the kern passes first");
    auto results = function.front().getTerminator()->getOperands();
    if (results.empty() || results.size() > 3)
      return function.emitOpError("expected logits, their argmax and their tokens, or the first of them, found ")
             << results.size() << " results";
    if (results.size() > 1 && !isa_and_nonnull<llm::ArgmaxOp>(sourceOf(results[1])))
      return function.emitOpError("expected its second result to be the llm.argmax of a kernel");
    if (results.size() > 2 && !isa_and_nonnull<llm::SampleOp>(sourceOf(results[2])))
      return function.emitOpError("expected its third result to be the llm.sample of a kernel");
    if (!batchOf(function) || function.getNumArguments() < 2 || !isa<llm::KvType>(function.getArgumentTypes()[1]))
      return function.emitOpError("expected !llm.batch and !llm.kv as its first arguments, found ")
             << function.getFunctionType();
    return success();
  }

  static std::pair<uint64_t, uint64_t> bounds(func::FuncOp function) {
    auto bound = [&](llvm::StringRef name) {
      auto limit = function->getAttrOfType<IntegerAttr>(name);
      return limit && limit.getInt() > 0 ? static_cast<uint64_t>(limit.getInt()) : UINT64_MAX;
    };
    return {bound(kQueryMaxAttr), bound(kTokensMaxAttr)};
  }

  plan::EngineOp createEngine(OpBuilder &builder, func::FuncOp function, Target machine) {
    ModuleOp module = getOperation();
    auto kv = cast<llm::KvType>(function.getArgumentTypes()[1]);
    auto model = module->getAttrOfType<DictionaryAttr>(kModelAttr);
    auto levels = module->getAttrOfType<ArrayAttr>(kLevelsAttr);
    if (!levels)
      levels = builder.getStrArrayAttr({machine == Target::Cuda ? "cuda:sm_80" : "x86-64-v3"});
    auto engine = plan::EngineOp::create(builder, module.getLoc(), model ? model : builder.getDictionaryAttr({}),
                                         levels, kv.getPage(), kv.layerBytes(), kv.getLayers() * kv.layerBytes());
    if (kv.getKind() != llm::QuantKind::F16)
      engine.setKvKind(llm::stringifyQuantKind(kv.getKind()));
    if (machine == Target::Cuda) {
      engine.setTarget(llvm::StringRef(rt::cuda::kTarget.data(), rt::cuda::kTarget.size()));
      engine.setAbiVersion(rt::cuda::kAbiVersion);
    }
    return engine;
  }

  void createKernel(OpBuilder &builder, kern::FuncOp kernel) {
    llvm::SmallVector<int64_t> limits;
    if (kernel.getConfigAttr())
      for (auto config : kernel.getConfigAttr().getAsRange<kern::ConfigAttr>())
        limits.push_back(config.getMMax());
    if (limits.empty())
      limits.push_back(0);
    limits.back() = 0; // the last variant takes whatever its program lets through
    bool rows = llvm::any_of(kernel.getResultTypes(), [](Type type) { return llm::rowsDim(type).isS(); });
    int64_t scratch = scratchOf(kernel);
    int64_t args = kernel.getArgumentTypes().size() + kernel.getResultTypes().size() + (scratch > 0);
    plan::KernelOp::create(builder, kernel.getLoc(), builder.getStringAttr(kernel.getSymName()),
                           builder.getDenseI64ArrayAttr(limits),
                           plan::RowsDimAttr::get(&getContext(), rows ? plan::RowsDim::Row : plan::RowsDim::Token),
                           kernel.getHeroAttr(), builder.getI64IntegerAttr(args), builder.getI64IntegerAttr(scratch),
                           kernel.getOriginAttr(), kernel.getFusedAttr());
  }
};

} // namespace
} // namespace llmc
