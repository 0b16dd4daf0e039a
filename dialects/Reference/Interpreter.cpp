// Walks blocks op by op; values of the batch and cache types carry no data, there is one of each a step.
#include "dialects/Reference/Interpreter.h"

#include "dialects/Kern/KernDialect.h"
#include "dialects/Reference/Eval.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

namespace llmc::reference {
using namespace mlir;

void Interpreter::define(Value value, Tensor tensor, Frame& frame) {
  if (probe_) probe_(value, tensor);
  frame[value] = std::make_shared<const Tensor>(std::move(tensor));
}

LogicalResult Interpreter::use(llm::UseOp op, Frame& frame) {
  TensorPtr& loaded = loaded_[op.getWeight()];
  if (!loaded) {
    auto weight = SymbolTable::lookupNearestSymbolFrom<llm::WeightOp>(op, op.getWeightAttr());
    FailureOr<Tensor> values = weights_(weight);
    if (failed(values)) return failure();
    loaded = std::make_shared<const Tensor>(std::move(*values));
  }
  frame[op.getResult()] = loaded;
  return success();
}

/// [rows, cols] doubles of a dense constant.
static FailureOr<Tensor> constant(arith::ConstantOp op) {
  auto dense = ::llvm::dyn_cast<DenseFPElementsAttr>(op.getValue());
  if (!dense || dense.getType().getRank() != 2)
    return op.emitOpError("cannot be evaluated: expected dense floats of two dimensions");
  Tensor tensor(dense.getType().getDimSize(0), dense.getType().getDimSize(1));
  size_t i = 0;
  for (APFloat value : dense.getValues<APFloat>()) {
    bool inexact = false;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
    tensor.data[i++] = value.convertToDouble();
  }
  return tensor;
}

static Tensor cast(const Tensor& x, Type type, bool round) {
  Type elem = ::llvm::cast<RankedTensorType>(type).getElementType();
  if (!round || elem.isF32()) return x;
  return map(x, elem.isF16() ? roundToHalf : roundToBFloat);
}

static Tensor coded(llm::RoundRowsOp, const Tensor& x, const InterpreterOptions& options) {
  return quantizeRows(x, options.roundActivations);
}
static Tensor coded(llm::QuantizeOp op, const Tensor& x, const InterpreterOptions& options) {
  return (op.getType().isE4M3() ? quantizeRows : quantize)(x, options.roundActivations);
}

static std::optional<llm::QuantKind> storedAs(llm::KvWriteOp op, const InterpreterOptions& options) {
  return options.roundCache ? std::optional(op.getKv().getType().getKind()) : std::nullopt;
}

template <typename Op>
static AttendParams attendParams(Op op, int64_t layer) {
  return {.layer = layer + op.getLayer(),
          .heads = op.getHeads(),
          .scale = op.getScale(),
          .window = op.getWindow(),
          .softcap = op.getSoftcap()};
}

/// Evaluates a block that belongs to `op`, whose operands and results are the block's arguments and yielded values.
LogicalResult Interpreter::runNested(Operation* op, Block& block, Frame& frame, Step step) {
  ::llvm::SmallVector<TensorPtr> arguments;
  for (Value operand : op->getOperands()) arguments.push_back(frame.lookup(operand));
  FailureOr<std::vector<TensorPtr>> results = runBlock(block, arguments, step);
  if (failed(results)) return failure();
  for (auto [value, tensor] : ::llvm::zip(op->getResults(), *results)) frame[value] = tensor;
  return success();
}

FailureOr<std::vector<Interpreter::TensorPtr>> Interpreter::runBlock(Block& block,
                                                                     ::llvm::ArrayRef<TensorPtr> arguments, Step step) {
  Frame frame;
  for (auto [value, tensor] : ::llvm::zip(block.getArguments(), arguments)) frame[value] = tensor;
  for (Operation& op : block.without_terminator())
    if (failed(runOp(&op, frame, step))) return failure();
  std::vector<TensorPtr> results;
  for (Value value : block.getTerminator()->getOperands()) results.push_back(frame.lookup(value));
  return results;
}

/// Ops whose results are elements of their operands' places; nothing for all others.
static std::optional<Tensor> elementwise(Operation* op, ::llvm::function_ref<const Tensor&(Value)> in,
                                         const InterpreterOptions& options) {
  using Result = std::optional<Tensor>;
  return ::llvm::TypeSwitch<Operation*, Result>(op)
      .Case([&](llm::GluOp o) -> Result {
        return o.getUp() ? glu(in(o.getGate()), in(o.getUp()), o.getAct())
                         : gluInterleaved(in(o.getGate()), o.getAct());
      })
      .Case([&](llm::ActOp o) -> Result { return map(in(o.getX()), [&](double x) { return activate(x, o.getFn()); }); })
      .Case([&](llm::AddOp o) -> Result { return zip(in(o.getLhs()), in(o.getRhs()), std::plus<double>()); })
      .Case([&](llm::MulOp o) -> Result { return zip(in(o.getLhs()), in(o.getRhs()), std::multiplies<double>()); })
      .Case([&](llm::ScaleOp o) -> Result { return map(in(o.getX()), [&](double x) { return x * o.getFactor(); }); })
      .Case([&](llm::SoftcapOp o) -> Result {
        return map(in(o.getX()), [&](double x) { return o.getCap() * std::tanh(x / o.getCap()); });
      })
      .Case([&](llm::CastOp o) -> Result { return cast(in(o.getX()), o.getType(), options.roundActivations); })
      .Default([](Operation*) -> Result { return std::nullopt; });
}

LogicalResult Interpreter::runOp(Operation* op, Frame& frame, Step step) {
  auto in = [&](Value v) -> const Tensor& { return *frame.lookup(v); };
  auto maybe = [&](Value v) { return v ? frame.lookup(v).get() : nullptr; };
  auto out = [&](Tensor tensor) {
    define(op->getResult(0), std::move(tensor), frame);
    return success();
  };
  if (std::optional<Tensor> result = elementwise(op, in, options_)) return out(std::move(*result));
  return ::llvm::TypeSwitch<Operation*, LogicalResult>(op)
      .Case([&](llm::UseOp o) { return use(o, frame); })
      .Case([&](arith::ConstantOp o) -> LogicalResult {
        FailureOr<Tensor> value = constant(o);
        return failed(value) ? failure() : out(std::move(*value));
      })
      .Case([&](llm::EmbedOp o) { return out(embed(step.batch, in(o.getTable()), o.getScale())); })
      .Case([&](llm::SelectRowsOp o) { return out(selectRows(in(o.getX()), step.batch)); })
      .Case([&](llm::SliceOp o) { return out(slice(in(o.getX()), o.getOffset(), o.getSize())); })
      .Case([&](llm::ArgmaxOp o) { return out(argmax(in(o.getLogits()), o.getTile())); })
      .Case([&](llm::SampleOp o) { return out(sample(in(o.getBest()))); })
      .Case([&](llm::KeepRowsOp o) { return out(keepRows(in(o.getX()), step.batch)); })
      .Case([&](llm::RMSNormOp o) {
        return out(rmsnorm(in(o.getX()), in(o.getW()), o.getEps(), o.getUnitOffset(), o.getSegment()));
      })
      .Case([&](llm::LayerNormOp o) { return out(layernorm(in(o.getX()), in(o.getW()), maybe(o.getB()), o.getEps())); })
      .Case([&](llm::LinearOp o) { return out(linear(in(o.getX()), in(o.getW()), maybe(o.getBias()))); })
      .Case<llm::QuantizeOp, llm::RoundRowsOp>([&](auto o) { return out(coded(o, in(o.getX()), options_)); })
      .Case([&](llm::RopeOp o) { return out(rope(in(o.getX()), step.batch, o.getRope(), o.getHeadDim())); })
      .Case([&](llm::KvWriteOp o) {
        kvWrite(step.kv, in(o.getK()), in(o.getV()), step.batch, step.layer + o.getLayer(), storedAs(o, options_));
        return success();
      })
      .Case([&](llm::AttendOp o) {
        return out(attend(in(o.getQ()), step.kv, step.batch, attendParams(o, step.layer), maybe(o.getSinks())));
      })
      .Case([&](llm::AttendPartialOp o) {
        return out(attendPartial(in(o.getQ()), step.kv, step.batch, attendParams(o, step.layer), o.getSplits()));
      })
      .Case([&](llm::AttendMergeOp o) {
        return out(attendMerge(in(o.getP()), o.getHeads(), o.getHeadDim(), o.getSplits(), maybe(o.getSinks())));
      })
      .Case([&](kern::DispatchOp o) { return runNested(op, o.getBlock(), frame, step); })
      .Case([&](kern::CallOp o) {
        auto callee = SymbolTable::lookupNearestSymbolFrom<kern::FuncOp>(op, o.getCalleeAttr());
        return runNested(op, callee.getBody().front(), frame,
                         {step.batch, step.kv, step.layer + static_cast<int64_t>(o.getKvLayer().value_or(0))});
      })
      .Default([&](Operation*) {
        return op->emitOpError("cannot be evaluated: expected an llm or kern op that the interpreter has a rule for");
      });
}

FailureOr<std::vector<Tensor>> Interpreter::run(::llvm::StringRef function, const Batch& batch, KvCache& kv,
                                                ::llvm::ArrayRef<Tensor> inputs) {
  auto func = module_.lookupSymbol<func::FuncOp>(function);
  if (!func || func.isExternal())
    return module_.emitError() << "expected a func.func named '" << function << "' with a body, found none";
  ::llvm::SmallVector<TensorPtr> arguments;
  for (Type type : func.getArgumentTypes()) {
    bool data = ::llvm::isa<RankedTensorType, llm::QActType>(type);
    if (data && inputs.empty()) return func.emitError("expected an input for each tensor argument, found too few");
    arguments.push_back(data ? std::make_shared<const Tensor>(inputs.front()) : nullptr);
    if (data) inputs = inputs.drop_front();
  }
  FailureOr<std::vector<TensorPtr>> results = runBlock(func.getBody().front(), arguments, {batch, kv, 0});
  if (failed(results)) return failure();
  std::vector<Tensor> tensors;
  for (const TensorPtr& tensor : *results) tensors.push_back(*tensor);
  return tensors;
}

}  // namespace llmc::reference
