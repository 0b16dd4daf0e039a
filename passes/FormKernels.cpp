// Hero by hero, gathers the ops that one kernel computes. The patterns F1-F10, F12 are those of the pass description.
#include "passes/FusionTags.h"
#include "passes/Outline.h"
#include "passes/Passes.h"
#include "passes/Program.h"
#include "passes/Remark.h"
#include "passes/Target.h"

#include "dialects/LLM/LLMTypes.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Transforms/RegionUtils.h"

namespace llmc {
#define GEN_PASS_DEF_FORMKERNELS
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

class Former {
public:
  Former(func::FuncOp function, Value batch, Target target)
      : function_(function), batch_(batch), cuda_(target == Target::Cuda) {
    auto limit = function->getAttrOfType<IntegerAttr>(kTokensMaxAttr);
    fewTokens_ = !cuda_ && limit && limit.getInt() > 0;
  }

  void run() {
    forEach<llm::KvWriteOp>([&](llm::KvWriteOp op) { formKvWrite(op); });
    forEach<llm::LinearOp>([&](llm::LinearOp op) { formLinear(op); });
    removeDead();
    forEach<llm::GluOp>([&](llm::GluOp op) { missed(op, "F4") << "gate and up are not one interleaved product"; });
    forEach<llm::AttendMergeOp>([&](llm::AttendMergeOp op) { formMerge(op); });
    forEach<llm::RMSNormOp>([&](llm::RMSNormOp op) { formNorm(op); });
    forEach<llm::LayerNormOp>([&](llm::LayerNormOp op) { formNorm(op); });
    forEach<llm::EmbedOp>([&](llm::EmbedOp op) { formEmbed(op); });
    forEach<llm::AttendOp>([&](llm::AttendOp op) { formAttend(op); });
    forEach<llm::AttendPartialOp>([&](llm::AttendPartialOp op) { formAttend(op); });
    removeDead();
  }

private:
  /// Calls `form` for each op of the kind at the function's top level.
  template <typename OpT> void forEach(llvm::function_ref<void(OpT)> form) {
    llvm::SmallVector<OpT> ops(function_.front().getOps<OpT>());
    for (OpT op : ops)
      form(op);
  }

  void removeDead() {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function_.front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }

  /// Adds rope <- rmsnorm over heads <- slice, as far as they exist for this use alone. Returns what they start from.
  /// With `read`, others may read `value` too.
  Value addHeadRows(KernelGroup &group, Value value, bool read = false) {
    Value readToo = read ? value : Value();
    while (Operation *source = value.getDefiningOp()) {
      auto norm = dyn_cast<llm::RMSNormOp>(source);
      bool perHead = norm && norm.getSegment() > 0;
      if (!perHead && !isa<llm::RopeOp, llm::SliceOp>(source))
        return value;
      bool shared = llvm::any_of(value.getUsers(), [&](Operation *user) { return !group.ops.contains(user); });
      if (shared && value != readToo) {
        missed(source, "F5") << "the rows have another use";
        return value;
      }
      group.ops.insert(source);
      value = source->getOperand(0);
    }
    return value;
  }

  /// The queries that read the layer this op writes, when they are made before it; or null.
  Value queriesOf(llm::KvWriteOp write) {
    for (Operation *user : write.getKv().getUsers()) {
      Value query;
      if (auto attend = dyn_cast<llm::AttendOp>(user); attend && attend.getLayer() == write.getLayer())
        query = attend.getQ();
      else if (auto partial = dyn_cast<llm::AttendPartialOp>(user); partial && partial.getLayer() == write.getLayer())
        query = partial.getQ();
      Operation *source = query ? query.getDefiningOp() : nullptr;
      if (source && isa<llm::RopeOp, llm::SliceOp>(source) && source->isBeforeInBlock(write))
        return query;
    }
    return {};
  }

  void formKvWrite(llm::KvWriteOp write) {
    KernelGroup group("kv_write", write);
    group.fused.push_back("F5");
    Value keys = addHeadRows(group, write.getK()), values = addHeadRows(group, write.getV());
    KernelGroup withQueries = group;
    Value queries = queriesOf(write);
    Value rows = queries ? addHeadRows(withQueries, queries, /*read=*/true) : Value();
    if (!queries)
      missed(write, "F5") << "no rotated queries before the write";
    bool product = rows && rows == keys && rows == values && rows.getDefiningOp<llm::LinearOp>();
    if (product && cuda_)
      missed(write, "F5") << "target cuda writes the cache in a kernel of its own, not in the product's";
    else if (product && formProjection(withQueries, write, rows))
      return;
    if (outline(withQueries, batch_))
      return;
    missed(write, "F5") << "the rotated queries are read before the write";
    outline(group, batch_);
  }

  /// The product that makes q, k and v takes their norms, ropes and the cache write as its epilogue, head by head.
  bool formProjection(KernelGroup group, llm::KvWriteOp write, Value rows) {
    auto linear = rows.getDefiningOp<llm::LinearOp>();
    int64_t dim = write.getKv().getType().getDim();
    if (dim % 16 != 0) {
      missed(write, "F5") << "heads of " << dim << " columns do not end with a panel of 16 rows of the product";
      return false;
    }
    for (Operation *user : rows.getUsers()) {
      auto slice = dyn_cast<llm::SliceOp>(user);
      if (!slice || !group.ops.contains(user) || slice.getOffset() % dim != 0) {
        missed(linear, "F5") << "its rows are not cut into heads of the cache alone";
        return false;
      }
    }
    group.hero = "linear";
    group.ops.insert(linear);
    addProductTags(group, linear);
    addPrologue(group, linear);
    return outline(group, batch_) != nullptr;
  }

  void addEpilogue(KernelGroup &group, llm::LinearOp linear) {
    Value result = linear.getResult();
    while (Operation *user = epilogueUser(result)) {
      group.ops.insert(user);
      addTag(group, epilogueTag(user));
      result = user->getResult(0);
    }
    addQuantize(group, result);
    addArgmax(group, result);
    if (result == linear.getResult() && !result.hasOneUse())
      for (Operation *user : result.getUsers())
        if (user->hasTrait<llm::Elementwise>())
          missed(linear, epilogueTag(user))
              << "the product has " << std::distance(result.use_begin(), result.use_end()) << " uses";
  }

  /// A product that only the next one reads leaves its int8 form (F4): no float rows in memory, no quantizing
  /// afterwards.
  void addQuantize(KernelGroup &group, Value result) {
    auto quantize = result.hasOneUse() ? dyn_cast<llm::QuantizeOp>(*result.getUsers().begin()) : llm::QuantizeOp();
    if (!quantize)
      return;
    if (quantize.getType().isE4M3()) {
      missed(quantize, "F4") << "the scale of e4m3 needs the whole row, of which a block has a part";
      return;
    }
    if (llm::cols(result.getType()) % 32 != 0) {
      missed(quantize, "F4") << "columns are not a multiple of 32, the outputs a worker quantizes together";
      return;
    }
    group.ops.insert(quantize);
    addTag(group, "F4");
  }

  /// Logits meet their argmax in the head's registers (F8): rows that are not asked for are never in memory.
  void addArgmax(KernelGroup &group, Value logits) {
    if (cuda_)
      return; // blocks have fewer columns than a tile
    llm::KeepRowsOp keep;
    llm::ArgmaxOp argmax;
    for (Operation *user : logits.getUsers()) {
      if (auto op = dyn_cast<llm::KeepRowsOp>(user))
        keep = op;
      if (auto op = dyn_cast<llm::ArgmaxOp>(user))
        argmax = op;
    }
    if (!keep && !argmax)
      return;
    if (!keep || !argmax || !logits.hasNUses(2)) {
      missed(argmax ? argmax : keep, "F8")
          << "the logits have another use than their argmax and the rows that are kept";
      return;
    }
    if (argmax.getTile() % 16 != 0) {
      missed(argmax, "F8") << "tiles of " << argmax.getTile()
                           << " columns do not end with a panel of 16 rows of the product";
      return;
    }
    group.ops.insert(keep);
    group.ops.insert(argmax);
    addTag(group, "F8");
  }

  /// The rows that feed the product, recomputed by every worker when there are few.
  void addPrologue(KernelGroup &group, llm::LinearOp linear) {
    Value value = linear.getX();
    if (auto cast = value.getDefiningOp<llm::CastOp>(); cast && cuda_)
      value = cast.getX();
    while (Operation *source = value.getDefiningOp()) {
      auto norm = dyn_cast<llm::RMSNormOp>(source);
      bool rows = isa<llm::QuantizeOp, llm::LayerNormOp, llm::AttendMergeOp, llm::SelectRowsOp>(source) ||
                  (norm && norm.getSegment() == 0);
      if (!rows)
        return;
      if (!fewTokens_) {
        missed(linear, prologueTag(source)) << (cuda_ ? "target cuda makes its rows once, in a kernel of their own"
                                                      : "with any number of tokens its rows are cheaper computed once");
        return;
      }
      group.ops.insert(source);
      group.copied.insert(source);
      if (!isa<llm::QuantizeOp>(source))
        addTag(group, prologueTag(source));
      value = source->getOperand(0);
    }
  }

  void addProductTags(KernelGroup &group, llm::LinearOp linear) {
    if (cast<llm::WeightType>(linear.getW().getType()).getQuant().isInteger())
      addTag(group, "F12");
    if (auto use = linear.getW().getDefiningOp<llm::UseOp>()) {
      auto weight = SymbolTable::lookupNearestSymbolFrom<llm::WeightOp>(use, use.getWeightAttr());
      if (weight && weight.getArrange() == llm::Arrange::Concat)
        addTag(group, "F3");
    }
    if (linear.getBias())
      addTag(group, "F9");
  }

  void formLinear(llm::LinearOp linear) {
    KernelGroup group("linear", linear);
    addProductTags(group, linear);
    addPrologue(group, linear);
    addEpilogue(group, linear);
    outline(group, batch_);
  }

  /// What makes the rows of a norm: the add (F1), the selection (F8) or the look-up of embeddings (F10) before it.
  void addNormSource(KernelGroup &group, Operation *norm, Operation *source) {
    if (isa<llm::AddOp>(source)) {
      group.ops.insert(source);
      addTag(group, "F1");
      return;
    }
    if (isa<llm::SelectRowsOp>(source)) {
      if (!source->hasOneUse()) {
        missed(norm, "F8") << "the chosen rows have another use";
        return;
      }
      group.ops.insert(source);
      addTag(group, "F8");
      return;
    }
    auto scale = dyn_cast<llm::ScaleOp>(source);
    auto embed = (scale ? scale.getX() : norm->getOperand(0)).getDefiningOp<llm::EmbedOp>();
    if (!embed)
      return;
    if (scale && !embed->hasOneUse()) {
      missed(norm, "F10") << "the rows have another use than the scale";
      return;
    }
    group.ops.insert(embed);
    group.ops.insert(source);
    addTag(group, "F10");
  }

  /// norm with what makes its rows and the quantizations after it.
  void formNorm(Operation *norm) {
    KernelGroup group("norm", norm);
    if (Operation *source = norm->getOperand(0).getDefiningOp())
      addNormSource(group, norm, source);
    for (Operation *user : norm->getUsers())
      if (isa<llm::QuantizeOp, llm::CastOp>(user)) {
        group.ops.insert(user);
        addTag(group, "F1");
      }
    if (outline(group, batch_))
      return;
    missed(norm, "F1") << "what is around the norm is read before all of it is there";
    KernelGroup alone("norm", norm);
    outline(alone, batch_);
  }

  void formEmbed(llm::EmbedOp embed) {
    KernelGroup group("embed", embed);
    for (Operation *user : embed->getUsers()) {
      if (!isa<llm::ScaleOp>(user))
        continue;
      if (!embed->hasOneUse()) {
        missed(embed, "F10") << "the rows have another use than the scale";
        break;
      }
      group.ops.insert(user);
      addTag(group, "F10");
    }
    outline(group, batch_);
  }

  void formAttend(Operation *attend) {
    KernelGroup group("attend", attend);
    if (isa<llm::AttendPartialOp>(attend)) {
      addTag(group, "F6");
    } else {
      addHeadQuantize(group, cast<llm::AttendOp>(attend));
      addCast(group, attend->getResult(0));
    }
    outline(group, batch_);
  }

  /// Products of a CPU take the merge in (F6), or nothing does; on a device it is a kernel of its own.
  void formMerge(llm::AttendMergeOp merge) {
    if (!cuda_) {
      missed(merge, "F6") << "no product reads the merged rows";
      return;
    }
    KernelGroup group("pointwise", merge);
    addCast(group, merge.getResult());
    outline(group, batch_);
  }

  /// Attention leaves the halves that a product on tensor cores reads (F6), its merge 8-bit floats, too.
  void addCast(KernelGroup &group, Value rows) {
    for (Operation *user : rows.getUsers()) {
      if (!isa<llm::CastOp>(user) && !(isa<llm::QuantizeOp>(user) && rows.getDefiningOp<llm::AttendMergeOp>()))
        continue;
      if (!rows.hasOneUse()) {
        missed(rows.getDefiningOp(), "F6") << "the rows have another use than their cast";
        return;
      }
      group.ops.insert(user);
      addTag(group, "F6");
    }
  }

  /// The item that makes a head's row quantizes it while it is in L1.
  void addHeadQuantize(KernelGroup &group, llm::AttendOp attend) {
    for (Operation *user : attend.getResult().getUsers()) {
      if (!isa<llm::QuantizeOp>(user))
        continue;
      int64_t dim = attend.getKv().getType().getDim();
      if (cast<llm::QuantizeOp>(user).getType().isE4M3()) {
        missed(attend, "F6") << "the scale of e4m3 needs the whole row, of which a block has a part";
        return;
      }
      if (!attend.getResult().hasOneUse()) {
        missed(attend, "F6") << "the rows have another use than their quantization";
        return;
      }
      if (dim % 32 != 0) {
        missed(attend, "F6") << "heads of " << dim << " columns end within a group of 32";
        return;
      }
      group.ops.insert(user);
      addTag(group, "F6");
    }
  }

  void addTag(KernelGroup &group, llvm::StringRef tag) {
    if (!llvm::is_contained(group.fused, tag))
      group.fused.push_back(tag);
  }

  func::FuncOp function_;
  Value batch_;
  bool cuda_ = false, fewTokens_ = false;
};

struct FormKernelsPass : impl::FormKernelsBase<FormKernelsPass> {
  using FormKernelsBase::FormKernelsBase;

  void runOnOperation() override {
    auto machine = targetOf(getOperation(), target);
    if (failed(machine))
      return signalPassFailure();
    for (auto function : definedFunctions(getOperation())) {
      auto batch = batchForKernels(function);
      if (failed(batch))
        return signalPassFailure();
      if (*batch)
        Former(function, *batch, *machine).run();
    }
  }
};

} // namespace
} // namespace llmc
