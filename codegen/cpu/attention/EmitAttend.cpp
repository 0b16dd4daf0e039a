// The attention family: from a kern.func with hero "attend" to an attention kernel.
#include "codegen/cpu/KernelEmitter.h"
#include "codegen/cpu/attention/AttendFunction.h"
#include "codegen/cpu/attention/AttendKernel.h"

#include "dialects/LLM/LLMDialect.h"

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
  if (op->getNextNode() != block.getTerminator())
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
  } else if (auto partial = dyn_cast<llm::AttendPartialOp>(op)) {
    found.shape = shapeOf(partial, partial.getSplits());
    fill(partial);
  } else {
    return std::nullopt;
  }
  found.arguments.result = block.getNumArguments();
  found.arguments.scratch = found.arguments.result + 1;
  return found;
}

LogicalResult emitAttendKernel(ModuleOp module, const EmitRequest &request) {
  kern::FuncOp function = request.function;
  std::optional<AttendFunction> found = matchAttend(function);
  if (!found)
    return function.emitOpError("expected a body of one llm.attend or llm.attend_partial");
  if (found->shape.headDim % 16 != 0)
    return function.emitOpError("expected a head size that is a multiple of 16, found ") << found->shape.headDim;
  KernelBuilder kernel(module, request.symbol, found->arguments.scratch + 1, request.level);
  emitAttend(kernel, found->shape, found->arguments);
  kernel.finish();
  return success();
}

} // namespace llmc
