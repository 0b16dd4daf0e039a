// Weight storage by scheme, and one llm.quantize for all integer products of an input.
#include "passes/Passes.h"
#include "passes/Remark.h"
#include "passes/Target.h"

#include "dialects/LLM/LLMTypes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSwitch.h"

namespace llmc {
#define GEN_PASS_DEF_QUANTIZE
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

enum class Scheme { Native, W16, W8, W4, Fp8, Unknown };

Scheme parseScheme(llvm::StringRef text) {
  return llvm::StringSwitch<Scheme>(text)
      .Case("native", Scheme::Native)
      .Case("w16", Scheme::W16)
      .Case("w8", Scheme::W8)
      .Case("w4", Scheme::W4)
      .Case("fp8", Scheme::Fp8)
      .Default(Scheme::Unknown);
}

/// Storage under `scheme` of a matrix stored as `from`; `wide` for the embedding and the head.
llm::QuantAttr storageFor(Scheme scheme, llm::QuantAttr from, bool wide, int64_t group, Target target) {
  MLIRContext *context = from.getContext();
  if (scheme == Scheme::Native && target == Target::Cuda && from.getKind() == llm::QuantKind::F32)
    scheme = Scheme::W16; // tensor cores take halves at most
  if (scheme == Scheme::Fp8 && wide)
    scheme = Scheme::W16;
  switch (scheme) {
  case Scheme::Fp8:
    return llm::QuantAttr::get(context, llm::QuantKind::E4M3);
  case Scheme::W16:
    return from.getKind() == llm::QuantKind::BF16 ? from : llm::QuantAttr::get(context, llm::QuantKind::F16);
  case Scheme::W8:
    return llm::QuantAttr::get(context, llm::QuantKind::I8, 32, true);
  case Scheme::W4:
    return wide ? llm::QuantAttr::get(context, llm::QuantKind::I8, 32, true)
                : llm::QuantAttr::get(context, llm::QuantKind::I4, group, false);
  case Scheme::Native:
  case Scheme::Unknown:
    return from;
  }
  return from;
}

struct QuantizePass : impl::QuantizeBase<QuantizePass> {
  using QuantizeBase::QuantizeBase;

  void runOnOperation() override {
    Scheme chosen = parseScheme(scheme);
    if (chosen == Scheme::Unknown) {
      getOperation().emitError("unknown scheme '") << scheme << "', expected native, w16, w8, w4 or fp8";
      return signalPassFailure();
    }
    if (groupSize != 32 && (groupSize != 128 || chosen != Scheme::W4)) {
      getOperation().emitError("expected a group size of 32, or of 128 for scheme w4, found ") << groupSize.getValue();
      return signalPassFailure();
    }
    auto machine = targetOf(getOperation(), target);
    if (failed(machine) || failed(checkActivations(*machine)))
      return signalPassFailure();
    storeWeights(chosen, *machine);
    roundInputs(*machine);
    if (*machine == Target::Cuda)
      return castInputs();
    if (activations == "auto" || activations == "bf16")
      roundFactors();
    // A model with int8 products already has errors that dwarf those of attention in bf16; in one without they would be
    // half as large as those of all products together.
    if ((activations == "auto" || activations == "int8") && quantizeInputs())
      getOperation().walk([](llm::AttendOp attend) { attend.setBf16Products(true); });
  }

  LogicalResult checkActivations(Target machine) {
    if (machine == Target::Cuda && (activations == "int8" || activations == "f32"))
      return getOperation().emitError("activations '")
             << activations << "' are not there for target cuda, whose products read bf16: expected auto or bf16";
    if (activations == "auto" || activations == "int8" || activations == "f32" || activations == "bf16")
      return success();
    return getOperation().emitError("unknown activations '") << activations << "', expected auto, int8, bf16 or f32";
  }

  /// Lets products with bf16 weights round the other factor, too, but for the head, which would make a quarter of the
  /// divergence and of which a prompt computes one row. auto spares those that make queries, keys and values as well:
  /// a tenth of a layer's products, a quarter of what then is left.
  void roundFactors() {
    llvm::DenseSet<Operation *> spared = heads();
    if (activations == "auto")
      spared.insert_range(madeForAttention());
    getOperation().walk([&](llm::LinearOp linear) {
      if (linear.getW().getType().getQuant().getKind() == llm::QuantKind::BF16 && !spared.contains(linear))
        linear.setBf16Products(true);
    });
  }

  /// The products whose rows, sliced, normalized or rotated, attention reads.
  llvm::DenseSet<Operation *> madeForAttention() {
    llvm::DenseSet<Operation *> found;
    auto trace = [&](Value value) {
      Operation *op = value.getDefiningOp();
      while (op && op->getNumOperands() && !isa<llm::LinearOp>(op))
        op = op->getOperand(0).getDefiningOp();
      if (op)
        found.insert(op);
    };
    getOperation().walk([&](llm::AttendOp attend) { trace(attend.getQ()); });
    getOperation().walk([&](llm::KvWriteOp write) {
      trace(write.getK());
      trace(write.getV());
    });
    return found;
  }

  /// The products that make logits.
  llvm::DenseSet<Operation *> heads() {
    llvm::DenseSet<Operation *> found;
    getOperation().walk([&](func::ReturnOp op) {
      for (Value value : op.getOperands()) {
        // Logits may be scaled or capped behind the head.
        while (isa_and_nonnull<llm::ScaleOp, llm::SoftcapOp>(value.getDefiningOp()))
          value = value.getDefiningOp()->getOperand(0);
        if (auto linear = value.getDefiningOp<llm::LinearOp>())
          found.insert(linear);
      }
    });
    return found;
  }

  /// Embedding tables and the product that makes the logits keep 8 bits under w4: both are seen by every token.
  llvm::DenseSet<Operation *> wideWeights() {
    llvm::DenseSet<Operation *> wide;
    auto mark = [&](Value reference) {
      if (auto use = reference.getDefiningOp<llm::UseOp>())
        wide.insert(SymbolTable::lookupNearestSymbolFrom(use, use.getWeightAttr()));
    };
    getOperation().walk([&](llm::EmbedOp op) { mark(op.getTable()); });
    for (Operation *head : heads())
      mark(cast<llm::LinearOp>(head).getW());
    return wide;
  }

  void storeWeights(Scheme chosen, Target machine) {
    llvm::DenseSet<Operation *> wide = wideWeights();
    for (auto weight : getOperation().getOps<llm::WeightOp>()) {
      llm::WeightType type = weight.weightType();
      if (!type.isMatrix() || weight.getGeneratedAttr())
        continue;
      llm::QuantAttr storage = storageFor(chosen, type.getQuant(), wide.contains(weight), groupSize, machine);
      if (chosen == Scheme::Native && storage != type.getQuant())
        weight.emitRemark("stored as f16: target cuda has no f32 matrices");
      auto stored = llm::WeightType::get(&getContext(), type.getShape(), storage);
      weight.setTypeAttr(TypeAttr::get(stored));
    }
    getOperation().walk([&](llm::UseOp use) {
      auto weight = SymbolTable::lookupNearestSymbolFrom<llm::WeightOp>(use, use.getWeightAttr());
      llm::QuantAttr found = use.getType().getQuant(), stored = weight.weightType().getQuant();
      use.getResult().setType(weight.weightType());
      if (!found.isInteger() || stored.isInteger())
        return;
      for (Operation *user : use->getUsers())
        if (isa<llm::LinearOp>(user))
          missed(user, "F12") << "scheme " << scheme << " stores " << found << " as " << stored
                              << ": expanded in memory, by the build, instead of in the product";
    });
  }

  /// What rounds `input` belongs to the op that made it, as the kernel that does both says: to its consumer only where
  /// `input` is an argument.
  static Location placeOfRounding(Value input, llm::LinearOp consumer) {
    Operation *source = input.getDefiningOp();
    return source ? source->getLoc() : consumer.getLoc();
  }

  /// One e4m3 form of an input for all its products with e4m3 weights; a CPU, which has no such products, rounds.
  void roundInputs(Target machine) {
    llvm::MapVector<Value, llvm::SmallVector<llm::LinearOp>> users;
    getOperation().walk([&](llm::LinearOp linear) {
      if (linear.getW().getType().getQuant().getKind() == llm::QuantKind::E4M3 &&
          llm::isActivation(linear.getX().getType()))
        users[linear.getX()].push_back(linear);
    });
    for (auto &[input, linears] : users) {
      OpBuilder builder(linears[0]);
      Location loc = placeOfRounding(input, linears[0]);
      Value rounded;
      if (machine == Target::Cuda)
        rounded = llm::QuantizeOp::create(builder, loc, input, llm::QActType::kE4M3);
      else
        rounded = llm::RoundRowsOp::create(builder, loc, input);
      for (llm::LinearOp linear : linears)
        linear.getXMutable().assign(rounded);
    }
  }

  /// One cast to bf16 for all products of an input.
  void castInputs() {
    llvm::MapVector<Value, llvm::SmallVector<llm::LinearOp>> users;
    getOperation().walk([&](llm::LinearOp linear) {
      if (llm::isActivation(linear.getX().getType()))
        users[linear.getX()].push_back(linear);
    });
    for (auto &[input, linears] : users) {
      OpBuilder builder(linears[0]);
      Type type = llm::activationType(&getContext(), llm::rowsDim(input.getType()), llm::cols(input.getType()),
                                      builder.getBF16Type());
      Value cast = llm::CastOp::create(builder, placeOfRounding(input, linears[0]), type, input);
      for (llm::LinearOp linear : linears)
        linear.getXMutable().assign(cast);
    }
  }

  /// Returns whether any product now has integer inputs.
  bool quantizeInputs() {
    // Key: the input and the zero it is quantized for.
    llvm::MapVector<std::pair<Value, int64_t>, llvm::SmallVector<llm::LinearOp>> users;
    getOperation().walk([&](llm::LinearOp linear) {
      auto weight = cast<llm::WeightType>(linear.getW().getType());
      if (weight.getQuant().isInteger() && isa<RankedTensorType>(linear.getX().getType()))
        users[{linear.getX(), weight.getQuant().activationZero()}].push_back(linear);
    });
    for (auto &[key, linears] : users) {
      OpBuilder builder(linears[0]);
      Location loc = placeOfRounding(key.first, linears[0]);
      auto quantized = llm::QuantizeOp::create(builder, loc, key.first, key.second);
      for (llm::LinearOp linear : linears)
        linear.getXMutable().assign(quantized.getResult());
    }
    return !users.empty();
  }
};

} // namespace
} // namespace llmc
