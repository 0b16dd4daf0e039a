// Shared blocks of decoder families, assembled by the family's switches.
#include "compiler/graph/ModelBuilder.h"

#include "dialects/LLM/LLMDialect.h"
#include "dialects/LLM/LLMTypes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "passes/Passes.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/Twine.h"
#include <cmath>

namespace llmc {

using namespace mlir;

static llm::QuantAttr storageOf(MLIRContext* context, StorageType type) {
  switch (type) {
    case StorageType::F16:
      return llm::QuantAttr::get(context, llm::QuantKind::F16);
    case StorageType::BF16:
      return llm::QuantAttr::get(context, llm::QuantKind::BF16);
    case StorageType::Q4_0:
      return llm::QuantAttr::get(context, llm::QuantKind::I4, 32, true);
    case StorageType::Q4_1:
      return llm::QuantAttr::get(context, llm::QuantKind::I4, 32, false);
    case StorageType::Q8_0:
      return llm::QuantAttr::get(context, llm::QuantKind::I8, 32, true);
    case StorageType::Q5_0:
      return llm::QuantAttr::get(context, llm::QuantKind::I5, 32, true);
    case StorageType::Q5_1:
      return llm::QuantAttr::get(context, llm::QuantKind::I5, 32, false);
    case StorageType::Q4_K:
      return llm::QuantAttr::get(context, llm::QuantKind::I4, 32, false, true);
    case StorageType::Q5_K:
      return llm::QuantAttr::get(context, llm::QuantKind::I5, 32, false, true);
    case StorageType::Q6_K:
      return llm::QuantAttr::get(context, llm::QuantKind::I6, 16, true, true);
    default:
      return llm::QuantAttr::get(context, llm::QuantKind::F32);
  }
}

namespace {

class ModelBuilder {
 public:
  ModelBuilder(MLIRContext* context, const ImportedModel& model, const Family& family)
      : context_(context),
        config_(model.config),
        checkpoint_(*model.checkpoint),
        family_(family),
        builder_(context),
        module_(ModuleOp::create(UnknownLoc::get(context))) {}

  OwningOpRef<ModuleOp> build() {
    (*module_)->setAttr(kMaxPositionsAttr, builder_.getI64IntegerAttr(config_.maxPositions));
    int64_t dim = config_.headDim;
    auto kv = llm::KvType::get(context_, config_.layers, config_.kvHeads, dim, /*page=*/1);
    auto logits = llm::activationType(context_, llm::Dim::T(), config_.vocab);
    auto type = builder_.getFunctionType({llm::BatchType::get(context_), kv}, {logits});
    auto forward = func::FuncOp::create(module_->getLoc(), "forward", type);
    module_->push_back(forward);
    Block* entry = forward.addEntryBlock();
    batch_ = entry->getArgument(0);
    cache_ = entry->getArgument(1);
    builder_.setInsertionPointToStart(entry);

    Value x = llm::EmbedOp::create(builder_, at("embedding"), batch_, weight("model.embed_tokens.weight", "embedding"))
                  .getResult();
    for (int64_t layer = 0; layer < config_.layers; ++layer) x = mlpBlock(attentionBlock(x, layer), layer);
    x = norm(x, "model.norm.weight", "norm", 0);
    const char* head = config_.tieEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight";
    Value w = weight(head, config_.tieEmbeddings ? "embedding" : "head");
    x = llm::LinearOp::create(builder_, at("head"), x, w).getResult();
    func::ReturnOp::create(builder_, at("logits"), x);
    return std::move(module_);
  }

 private:
  Location at(const llvm::Twine& place) {
    return NameLoc::get(builder_.getStringAttr(place), UnknownLoc::get(context_));
  }

  /// Declares the tensor as weight `symbol` on first use and returns a reference to it.
  Value weight(const llvm::Twine& tensor, const llvm::Twine& symbol, int64_t unpermuteHeads = 0) {
    std::string name = tensor.str();
    llm::WeightOp& declared = weights_[name];
    if (!declared) {
      const TensorInfo* info = checkpoint_.lookup(name);  // the importer has checked that it exists
      llm::QuantAttr storage = info->shape.size() == 2 ? storageOf(context_, info->type)
                                                       : llm::QuantAttr::get(context_, llm::QuantKind::F32);
      int64_t heads = info->ropeInterleaved ? unpermuteHeads : 0;
      auto source = llm::SourceAttr::get(context_, name, info->shape[0], heads);
      OperationState state(at(symbol), llm::WeightOp::getOperationName());
      state.addAttribute("sym_name", builder_.getStringAttr(symbol));
      state.addAttribute("type", TypeAttr::get(llm::WeightType::get(context_, info->shape, storage)));
      state.addAttribute("sources", builder_.getArrayAttr({source}));
      state.addAttribute("stored", builder_.getStringAttr(llvm::StringRef(storageTypeName(info->type))));
      OpBuilder top = OpBuilder::atBlockBegin(module_->getBody());
      if (lastWeight_) top.setInsertionPointAfter(lastWeight_);
      declared = cast<llm::WeightOp>(top.create(state));
      lastWeight_ = declared;
    }
    return llm::UseOp::create(builder_, declared.getLoc(), declared).getResult();
  }

  Value norm(Value x, const llvm::Twine& tensor, const llvm::Twine& place, int64_t segment) {
    return llm::RMSNormOp::create(builder_, at(place), x.getType(), x, weight(tensor, place),
                                  builder_.getF64FloatAttr(config_.normEps), builder_.getBoolAttr(false),
                                  builder_.getI64IntegerAttr(segment))
        .getResult();
  }

  struct LayerPlace {
    std::string tensors, symbols;  ///< "model.layers.3." and "layers.3."
  };
  static LayerPlace placeOf(int64_t layer) {
    return {"model.layers." + std::to_string(layer) + ".", "layers." + std::to_string(layer) + "."};
  }

  Value linear(Value x, const LayerPlace& place, llvm::StringRef tensor, llvm::StringRef symbol, bool bias,
               int64_t unpermuteHeads = 0) {
    Value w = weight(place.tensors + tensor + ".weight", place.symbols + symbol, unpermuteHeads);
    Value b;
    if (bias) b = weight(place.tensors + tensor + ".bias", place.symbols + symbol + "_bias", unpermuteHeads);
    return llm::LinearOp::create(builder_, at(place.symbols + symbol), x, w, b).getResult();
  }

  Value rotated(Value x, const llvm::Twine& place) {
    return llm::RopeOp::create(builder_, at(place), x.getType(), x, batch_, Value(), ropeAttr(),
                               builder_.getI64IntegerAttr(config_.headDim))
        .getResult();
  }

  llm::RopeAttr ropeAttr() {
    const RopeScaling& scaling = config_.ropeScaling;
    auto kind = scaling.kind == RopeScaling::Kind::Linear   ? llm::RopeScaling::Linear
                : scaling.kind == RopeScaling::Kind::Llama3 ? llm::RopeScaling::Llama3
                                                            : llm::RopeScaling::None;
    int64_t original = scaling.originalPositions > 0 ? scaling.originalPositions : config_.maxPositions;
    return llm::RopeAttr::get(context_, config_.ropeTheta, config_.ropeDim, llm::RopeStyle::Neox, kind, scaling.factor,
                              scaling.lowFreqFactor, scaling.highFreqFactor, original);
  }

  /// x + o(attend(rope(q), rope(k), v)) of the normed input.
  Value attentionBlock(Value x, int64_t layer) {
    const LayerNames& names = family_.names;
    LayerPlace place = placeOf(layer);
    std::string attention = place.symbols + "attention.";
    Value h =
        norm(x, place.tensors + llvm::StringRef(names.attentionNorm) + ".weight", place.symbols + "attention_norm", 0);
    Value q = linear(h, place, names.q, "attention.q", config_.attentionBias, config_.heads);
    Value k = linear(h, place, names.k, "attention.k", config_.attentionBias, config_.kvHeads);
    Value v = linear(h, place, names.v, "attention.v", config_.attentionBias);
    if (config_.qkNorm) {
      q = norm(q, place.tensors + llvm::StringRef(names.qNorm) + ".weight", attention + "q_norm", config_.headDim);
      k = norm(k, place.tensors + llvm::StringRef(names.kNorm) + ".weight", attention + "k_norm", config_.headDim);
    }
    q = rotated(q, attention + "q_rope");
    k = rotated(k, attention + "k_rope");
    llm::KvWriteOp::create(builder_, at(attention + "kv_write"), cache_, k, v, batch_,
                           builder_.getI64IntegerAttr(layer));
    double scale = 1.0 / std::sqrt(static_cast<double>(config_.headDim));
    Value a = llm::AttendOp::create(builder_, at(attention + "attend"), q, cache_, batch_, layer, config_.heads, scale,
                                    config_.slidingWindow)
                  .getResult();
    Value o = linear(a, place, names.o, "attention.o", config_.attentionOutBias);
    return llm::AddOp::create(builder_, at(attention + "add"), x, o).getResult();
  }

  /// x + down(act(gate) * up) of the normed input.
  Value mlpBlock(Value x, int64_t layer) {
    const LayerNames& names = family_.names;
    LayerPlace place = placeOf(layer);
    Value h = norm(x, place.tensors + llvm::StringRef(names.mlpNorm) + ".weight", place.symbols + "mlp_norm", 0);
    Value gate = linear(h, place, names.gate, "mlp.gate", config_.mlpBias);
    Value up = linear(h, place, names.up, "mlp.up", config_.mlpBias);
    auto act = llvm::StringSwitch<llm::ActFn>(config_.activation)
                   .Case("gelu_tanh", llm::ActFn::GeluTanh)
                   .Case("relu", llm::ActFn::Relu)
                   .Default(llm::ActFn::Silu);
    Value g = llm::GluOp::create(builder_, at(place.symbols + "mlp.glu"), gate, up, act).getResult();
    Value d = linear(g, place, names.down, "mlp.down", config_.mlpBias);
    return llm::AddOp::create(builder_, at(place.symbols + "mlp.add"), x, d).getResult();
  }

  MLIRContext* context_;
  const ModelConfig& config_;
  const Checkpoint& checkpoint_;
  const Family& family_;
  OpBuilder builder_;
  OwningOpRef<ModuleOp> module_;
  llvm::StringMap<llm::WeightOp> weights_;
  Operation* lastWeight_ = nullptr;
  Value batch_, cache_;
};

rt::Status inconsistent(const Family& family, llvm::StringRef part) {
  return rt::Status::error(
      rt::ErrorKind::kBadInput, "CF_INCONSISTENT",
      "the config asks for " + part.str() + ", which the family '" + std::string(family.name) + "' does not have",
      "add the part to compiler/models if the model really has it");
}

}  // namespace

rt::Result<OwningOpRef<ModuleOp>> buildModel(MLIRContext* context, const ImportedModel& model) {
  const ModelConfig& config = model.config;
  const Family* family = config.family;
  if (config.attentionBias && family->qkvBias == Bias::Never) return inconsistent(*family, "biases on q, k and v");
  if (config.attentionOutBias && family->outputBias == Bias::Never)
    return inconsistent(*family, "a bias on the output projection");
  if (config.mlpBias && !family->mlpBias) return inconsistent(*family, "biases in the MLP");
  if (config.qkNorm != family->headNorm)
    return inconsistent(*family, config.qkNorm ? "norms over heads" : "no norms over heads");
  if (config.slidingWindow > 0 && family->window == Window::Never) return inconsistent(*family, "a sliding window");
  return ModelBuilder(context, model, *family).build();
}

}  // namespace llmc
