// Concatenates the weights of products that share their input, and interleaves those of gate and up.
#include "passes/Passes.h"
#include "passes/Remark.h"

#include "dialects/LLM/LLMTypes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"

namespace llmc {
#define GEN_PASS_DEF_FUSEHORIZONTAL
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

llm::WeightOp weightOf(Value reference) {
  auto use = reference.getDefiningOp<llm::UseOp>();
  return use ? SymbolTable::lookupNearestSymbolFrom<llm::WeightOp>(use, use.getWeightAttr()) : llm::WeightOp();
}

/// Why the products cannot share one weight; empty when they can.
std::string refusal(llvm::ArrayRef<llm::LinearOp> linears) {
  llm::LinearOp leader = linears[0];
  llm::WeightOp first = weightOf(leader.getW());
  for (llm::LinearOp linear : linears) {
    llm::WeightOp weight = weightOf(linear.getW());
    if (!weight || weight.getArrange() != llm::Arrange::None || weight.getGeneratedAttr())
      return "a weight is not a plain tensor of the model";
    if (weight.weightType().getQuant() != first.weightType().getQuant())
      return "weights are stored differently";
    if (weight.weightType().rows() % 16 != 0)
      return "rows of a weight are not a multiple of 16, the height of a panel";
    if (bool(linear.getBias()) != bool(leader.getBias()))
      return "only some of the products have a bias";
  }
  return {};
}

/// Name of the fused weight: the common start of the names, then the joined ends ("layers.0.q" + "layers.0.k" ->
/// "layers.0.q_k").
std::string joinedName(llvm::ArrayRef<llm::WeightOp> weights) {
  llm::WeightOp leader = weights[0];
  llvm::StringRef first = leader.getSymName();
  size_t dot = first.rfind('.');
  std::string name = first.str();
  for (llm::WeightOp weight : weights.drop_front()) {
    llvm::StringRef other = weight.getSymName();
    name += "_" + other.substr(dot == llvm::StringRef::npos ? 0 : dot + 1).str();
  }
  return name;
}

class Fuser {
public:
  explicit Fuser(ModuleOp module) : module_(module), symbols_(module) {}

  /// gate, up -> one interleaved product under `glu`.
  void fuseGlu(llm::GluOp glu) {
    if (!glu.getUp())
      return;
    auto gate = glu.getGate().getDefiningOp<llm::LinearOp>(), up = glu.getUp().getDefiningOp<llm::LinearOp>();
    if (!gate || !up || gate.getX() != up.getX()) {
      missed(glu, "F4") << "gate and up are not products of one input";
      return;
    }
    if (!gate->hasOneUse() || !up->hasOneUse()) {
      missed(glu, "F4") << "gate or up has another use";
      return;
    }
    std::string reason = refusal({gate, up});
    if (gate.getBias())
      reason = "gate and up have biases";
    if (reason.empty() && gate.getW().getType() != up.getW().getType())
      reason = "gate and up have different shapes";
    if (!reason.empty()) {
      missed(glu, "F4") << reason;
      return;
    }
    OpBuilder builder(glu);
    Value product = fusedLinear(builder, {gate, up}, llm::Arrange::Interleave16);
    auto fused = llm::GluOp::create(builder, glu.getLoc(), product, glu.getAct());
    glu.replaceAllUsesWith(fused.getResult());
    glu.erase();
    eraseLinears({gate, up});
  }

  /// Two or more products of one input -> one, cut by slices.
  void fuseConcat(llvm::ArrayRef<llm::LinearOp> linears) {
    if (linears.size() < 2)
      return;
    if (std::string reason = refusal(linears); !reason.empty()) {
      missed(llm::LinearOp(linears[0]), "F3") << reason;
      return;
    }
    OpBuilder builder(linears[0]);
    Value product = fusedLinear(builder, linears, llm::Arrange::Concat);
    int64_t offset = 0;
    for (llm::LinearOp linear : linears) {
      int64_t size = llm::cols(linear.getResult().getType());
      auto slice = llm::SliceOp::create(builder, linear.getLoc(), product, offset, size);
      linear.replaceAllUsesWith(slice.getResult());
      offset += size;
    }
    eraseLinears(linears);
  }

private:
  Value fusedLinear(OpBuilder &builder, llvm::ArrayRef<llm::LinearOp> linears, llm::Arrange arrange) {
    llvm::SmallVector<Value> weights, biases;
    for (llm::LinearOp linear : linears) {
      weights.push_back(linear.getW());
      if (linear.getBias())
        biases.push_back(linear.getBias());
    }
    Value weight = fusedWeight(builder, weights, arrange);
    Value bias = biases.empty() ? Value() : fusedWeight(builder, biases, llm::Arrange::Concat);
    auto loc = FusedLoc::get(builder.getContext(),
                             llvm::map_to_vector(linears, [](llm::LinearOp op) { return Location(op.getLoc()); }));
    auto named = NameLoc::get(builder.getStringAttr(weight.getDefiningOp<llm::UseOp>().getWeight()), loc);
    llm::LinearOp leader = linears[0];
    return llm::LinearOp::create(builder, named, leader.getX(), weight, bias).getResult();
  }

  Value fusedWeight(OpBuilder &builder, llvm::ArrayRef<Value> references, llm::Arrange arrange) {
    llvm::SmallVector<llm::WeightOp> weights;
    llvm::SmallVector<Attribute> sources;
    int64_t rows = 0;
    for (Value reference : references) {
      llm::WeightOp weight = weightOf(reference);
      weights.push_back(weight);
      sources.append(weight.getSources().begin(), weight.getSources().end());
      rows += weight.weightType().rows();
    }
    llm::WeightType first = weights[0].weightType();
    llvm::SmallVector<int64_t> shape(first.getShape());
    shape[0] = rows;
    OpBuilder at(weights[0]);
    OperationState state(weights[0].getLoc(), llm::WeightOp::getOperationName());
    state.addAttribute("sym_name", builder.getStringAttr(joinedName(weights)));
    state.addAttribute("type", TypeAttr::get(llm::WeightType::get(builder.getContext(), shape, first.getQuant())));
    state.addAttribute("sources", builder.getArrayAttr(sources));
    if (weights[0].getStoredAttr()) // one storage in the IR is one type in the file
      state.addAttribute("stored", weights[0].getStoredAttr());
    state.addAttribute("arrange", llm::ArrangeAttr::get(builder.getContext(), arrange));
    auto fused = cast<llm::WeightOp>(at.create(state));
    symbols_.insert(fused, Block::iterator(weights[0]));
    return llm::UseOp::create(builder, weights[0].getLoc(), fused).getResult();
  }

  /// Drops the old products and whatever weights only they used.
  void eraseLinears(llvm::ArrayRef<llm::LinearOp> linears) {
    for (llm::LinearOp linear : linears) {
      llvm::SmallVector<Value> references{linear.getW()};
      if (linear.getBias())
        references.push_back(linear.getBias());
      linear.erase();
      for (Value reference : references) {
        auto use = reference.getDefiningOp<llm::UseOp>();
        llm::WeightOp weight = weightOf(reference);
        if (use->use_empty())
          use.erase();
        if (SymbolTable::symbolKnownUseEmpty(weight, module_))
          symbols_.erase(weight);
      }
    }
  }

  ModuleOp module_;
  SymbolTable symbols_;
};

struct FuseHorizontalPass : impl::FuseHorizontalBase<FuseHorizontalPass> {
  void runOnOperation() override {
    Fuser fuser(getOperation());
    llvm::SmallVector<llm::GluOp> glus;
    getOperation().walk([&](llm::GluOp op) { glus.push_back(op); });
    for (llm::GluOp glu : glus)
      fuser.fuseGlu(glu);
    llvm::MapVector<Value, llvm::SmallVector<llm::LinearOp>> byInput;
    getOperation().walk([&](llm::LinearOp op) { byInput[op.getX()].push_back(op); });
    for (auto &[input, linears] : byInput)
      fuser.fuseConcat(linears);
  }
};

} // namespace
} // namespace llmc
