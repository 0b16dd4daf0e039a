// The attention family: from a kern.func with hero "attend" to an attention kernel.
#include "codegen/cpu/KernelFamilyList.h"
#include "codegen/cpu/RegionEmitter.h"
#include "codegen/cpu/attention/AttendFunction.h"
#include "codegen/cpu/attention/AttendKernel.h"

#include "codegen/registry/PackedLayout.h"

using namespace mlir;

namespace llmc {

/// Constants of llm.attend or llm.attend_partial.
template <typename OpT> static AttendShape shapeOf(OpT op, int64_t splits) {
  auto kv = cast<llm::KvType>(op.getKv().getType());
  AttendShape shape;
  shape.heads = op.getHeads();
  shape.kvHeads = kv.getHeads();
  shape.headDim = kv.getDim();
  shape.layers = kv.getLayers();
  shape.int8Cache = kv.getKind() == llm::QuantKind::I8;
  shape.f32Cache = kv.getKind() == llm::QuantKind::F32;
  shape.window = op.getWindow();
  shape.softcap = op.getSoftcap();
  shape.scale = op.getScale();
  shape.splits = splits;
  return shape;
}

static unsigned argumentIndex(Value value) { return cast<BlockArgument>(value).getArgNumber(); }

std::optional<AttendFunction> matchAttend(kern::FuncOp function) {
  AttendFunction found;
  Block &block = function.getBody().front();
  Operation *op = &block.front();
  found.op = op;
  found.quantize = dyn_cast_or_null<llm::QuantizeOp>(op->getNextNode());
  Operation *last = found.quantize ? found.quantize.getOperation() : op;
  if (last->getNextNode() != block.getTerminator() || block.getTerminator()->getNumOperands() != 1 ||
      block.getTerminator()->getOperand(0) != last->getResult(0))
    return std::nullopt;
  auto fill = [&](auto attend) {
    found.arguments.query = argumentIndex(attend.getQ());
    found.arguments.cache = argumentIndex(attend.getKv());
    found.arguments.batch = argumentIndex(attend.getBatch());
  };
  if (auto attend = dyn_cast<llm::AttendOp>(op)) {
    found.shape = shapeOf(attend, 0);
    found.shape.bf16Products = attend.getBf16Products();
    fill(attend);
    if (attend.getSinks())
      found.arguments.sinks = argumentIndex(attend.getSinks());
  } else if (auto partial = dyn_cast<llm::AttendPartialOp>(op); partial && !found.quantize) {
    found.shape = shapeOf(partial, partial.getSplits());
    fill(partial);
  } else {
    return std::nullopt;
  }
  found.arguments.result = block.getNumArguments();
  found.arguments.scratch = found.arguments.result + 1;
  return found;
}

/// Quantizes a head's values into the result's int8 rows.
static AttendSink quantizeHeads(KernelBuilder &k, RegionEmitter &region, AttendFunction &found) {
  return [&k, &region, &found](Value row, Value head, Value values) {
    const int64_t dim = found.shape.headDim;
    region.bind(found.op->getResult(0), [&, values, head](Value, Value column) {
      return k.load(k.vec(16, k.f32()), values, k.mul(k.sub(column, k.mul(head, dim)), 4), 0, 4);
    });
    const int64_t groups = dim / kQuantGroup, stride = RegionEmitter::rowStride(found.quantize.getResult().getType());
    region.storeGroups(found.quantize, row, k.mul(head, groups), groups,
                       ValueRange{k.address(k.arg(found.arguments.result), k.mul(row, stride))});
  };
}

static LogicalResult emitAttendKernel(ModuleOp module, const EmitRequest &request) {
  kern::FuncOp function = request.function;
  std::optional<AttendFunction> found = matchAttend(function);
  if (!found)
    return function.emitOpError("expected a body of llm.attend, quantized or not, or llm.attend_partial");
  if (auto kv = cast<llm::KvType>(function.getArgumentTypes()[found->arguments.cache]);
      kv.getKind() == llm::QuantKind::BF16 || kv.getKind() == llm::QuantKind::E4M3)
    return function.emitOpError("has no code on the CPU for a cache of ") << llm::stringifyQuantKind(kv.getKind());
  int64_t multiple = found->quantize ? kQuantGroup : 16;
  if (found->shape.headDim % multiple != 0)
    return function.emitOpError("expected a head size that is a multiple of ")
           << multiple << ", found " << found->shape.headDim;
  KernelBuilder kernel(module, request.symbol, found->arguments.scratch + 1, request.level);
  llvm::SmallVector<Value> words;
  for (unsigned i = 0; i < found->arguments.result; ++i)
    words.push_back(kernel.arg(i));
  RegionEmitter region(kernel, function.getBody().front(), words);
  emitAttend(kernel, found->shape, found->arguments,
             found->quantize ? quantizeHeads(kernel, region, *found) : AttendSink());
  kernel.finish();
  return region.status();
}

static int64_t attendScratchBytes(kern::FuncOp function, int64_t) {
  std::optional<AttendFunction> attend = matchAttend(function);
  return attend ? attendScratchBytes(attend->shape) : 0;
}

static std::string describeAttend(kern::FuncOp function, int64_t, const Level &level) {
  std::optional<AttendFunction> attend = matchAttend(function);
  if (!attend)
    return "";
  const AttendShape &shape = attend->shape;
  if (usesBf16(shape, level))
    return "bf16 products, scores and values of 12 rows x 32 in registers";
  if (usesInt16(shape, level))
    return "16-bit integer products, scores and values of 6 rows x 16 in registers";
  AttendTile tile = chooseTile(shape, level, /*decode=*/shape.splits > 0);
  std::string parts = shape.splits ? ", context in " + std::to_string(shape.splits) + " parts" : "";
  return "scores " + std::to_string(tile.rows()) + " x " + std::to_string(16 * tile.pages) + ", values " +
         std::to_string(tile.rows()) + " x " + std::to_string(16 * tile.columns) + " in registers" +
         (shape.int8Cache  ? ", int8 x 16-bit integers"
          : shape.f32Cache ? ", f32 cache"
                           : "") +
         parts;
}

const KernelFamily kAttend = {"attend", emitAttendKernel, attendScratchBytes, describeAttend};

} // namespace llmc
