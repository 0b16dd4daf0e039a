// The attention family: a kern.func with hero "attend" to a call of the device library with its constants, and the ops
// after it as what happens to each pair of columns.
#include "codegen/cuda/KernelFrame.h"
#include "codegen/cuda/RegionPrinter.h"
#include "codegen/cuda/attention/AttendTuning.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace llmc {

namespace {
/// The attention of a kernel and where its operands are among the function's arguments.
struct Attention {
  Operation *op = nullptr;
  CudaAttendShape shape;
  unsigned query = 0, cache = 0, batch = 0;
  std::optional<unsigned> sinks = {};
};
} // namespace

template <typename OpT> static Attention attentionOf(OpT op, int64_t splits) {
  auto kv = cast<llm::KvType>(op.getKv().getType());
  Attention found;
  found.op = op;
  found.shape.heads = op.getHeads();
  found.shape.kvHeads = kv.getHeads();
  found.shape.headDim = kv.getDim();
  found.shape.layers = kv.getLayers();
  found.shape.kind = kv.getKind();
  found.shape.window = op.getWindow();
  found.shape.scale = op.getScale();
  found.shape.softcap = op.getSoftcap();
  found.shape.splits = splits;
  found.query = cast<BlockArgument>(op.getQ()).getArgNumber();
  found.cache = cast<BlockArgument>(op.getKv()).getArgNumber();
  found.batch = cast<BlockArgument>(op.getBatch()).getArgNumber();
  return found;
}

/// Ops that need nothing but the same element of their operands: a warp has only some columns of a row.
static bool isElementwise(Operation &op) { return isa<llm::CastOp, llm::AddOp, llm::MulOp>(op); }

static FailureOr<Attention> findAttention(kern::FuncOp function) {
  Block &block = function.getBody().front();
  Operation &first = block.front();
  Attention found;
  if (auto attend = dyn_cast<llm::AttendOp>(first)) {
    found = attentionOf(attend, 0);
    if (attend.getSinks())
      found.sinks = cast<BlockArgument>(attend.getSinks()).getArgNumber();
  } else if (auto partial = dyn_cast<llm::AttendPartialOp>(first)) {
    found = attentionOf(partial, partial.getSplits());
  } else {
    return function.emitOpError("expected a body that begins with llm.attend or llm.attend_partial, found ")
           << first.getName();
  }
  for (Operation &op : llvm::drop_begin(block.without_terminator()))
    if (found.shape.splits || !isElementwise(op))
      return op.emitOpError("expected nothing behind llm.attend_partial, and llm.cast, llm.add or llm.mul behind "
                            "llm.attend in a CUDA attention kernel");
  if (auto kv = cast<llm::KvType>(block.getArgument(found.cache).getType());
      kv.getPage() != CudaAttendShape::kPageTokens)
    return found.op->emitOpError("expected a cache with pages of ")
           << CudaAttendShape::kPageTokens << " tokens, found " << kv.getPage();
  if (found.shape.kind == llm::QuantKind::F32)
    return found.op->emitOpError("has no code on CUDA for a cache of f32: expected f16, bf16, i8 or e4m3");
  if (found.shape.headDim % 16 != 0 || found.shape.headDim > 256)
    return found.op->emitOpError("expected a head size that is a multiple of 16 and at most 256, found ")
           << found.shape.headDim;
  return found;
}

/// `struct Shape` as codegen/cuda/device/attention.cuh describes it.
static void writeShape(SourceWriter &w, const Attention &attention, const CudaAttendLayout &layout) {
  const CudaAttendShape &shape = attention.shape;
  // Scores become base 2 logarithms; with a softcap half of them, as its tanh is a quotient of exponentials.
  constexpr double log2e = 1.4426950408889634;
  double factor = shape.scale * log2e * (shape.softcap > 0 ? 2 / shape.softcap : 1);
  int64_t queryStride = RegionPrinter::rowStride(attention.op->getOperand(0).getType());
  auto line = [&](llvm::StringRef type, const llvm::Twine &names) {
    w.line("  static constexpr " + type + " " + names + ";");
  };
  w.origin(attention.op);
  w.line("struct Shape {");
  line("int", "heads = " + llvm::Twine(shape.heads) + ", kvHeads = " + llvm::Twine(shape.kvHeads) +
                  ", dim = " + llvm::Twine(shape.headDim));
  line("int", "rowHeads = " + llvm::Twine(shape.rowHeads()) + ", headBlocks = " + llvm::Twine(shape.headBlocks()));
  line("int", "window = " + llvm::Twine(shape.window) + ", splits = " + llvm::Twine(shape.splits) +
                  ", parts = " + llvm::Twine(layout.parts));
  line("bool", llvm::Twine("sinks = ") + (attention.sinks ? "true" : "false"));
  w.line("  using Kv = " + cacheFormat(shape.kind) + ";");
  line("float", "factor = " + floatLiteral(factor) + ", softcap = " + floatLiteral(shape.softcap * log2e));
  line("i64", "queryStride = " + llvm::Twine(queryStride) + ", pageBytes = " + llvm::Twine(shape.pageBytes()));
  line("int", "warps = " + llvm::Twine(layout.splitWarps) + ", stages = " + llvm::Twine(layout.stages) +
                  ", splitParked = " + llvm::Twine(layout.splitParked));
  if (layout.tileWarps) {
    line("int", "tileThreads = " + llvm::Twine(layout.threads) + ", tilePages = " + llvm::Twine(layout.tilePages) +
                    ", scorePages = " + llvm::Twine(layout.scorePages));
    line("int", "rowBlocks = " + llvm::Twine(layout.rowBlocks) + ", parked = " + llvm::Twine(layout.tileParked));
  }
  w.line("};");
}

/// The call for whole contexts. Each pair of columns goes through the region's other ops to the results.
static LogicalResult writeAttend(SourceWriter &w, const KernelFrame &frame, const Attention &attention,
                                 const std::string &operands) {
  Block &block = *attention.op->getBlock();
  RegionPrinter region(w, block, frame.arguments());
  region.bind(attention.op->getResult(0),
              [](const std::string &, const std::string &col) { return "((" + col + ") == col ? first : second)"; });
  SourceWriter::Scope body = w.scope("const auto take = [&](int row, int col, float first, float second)");
  for (auto [value, pointer] : llvm::zip(block.getTerminator()->getOperands(), frame.results()))
    region.store(value, "row", "col", pointer, 2);
  body.end();
  w.line(";");
  w.line("attendBlock<Shape>(shared, " + operands + ", " +
         (attention.sinks ? frame.arguments()[*attention.sinks] : std::string("nullptr")) + ", take);");
  return region.status();
}

FailureOr<KernelText> emitCudaAttend(const CudaRequest &request) {
  FailureOr<Attention> attention = findAttention(request.function);
  if (failed(attention))
    return failure();
  const CudaAttendShape &shape = attention->shape;
  std::string fault;
  const CudaAttendLayout layout = attendLayoutWith(request.arch, shape, numbersFor(request), fault);
  if (!fault.empty())
    return attention->op->emitOpError("has no code on CUDA with the numbers asked for: ") << fault;
  SourceWriter w;
  writeShape(w, *attention, layout);
  // Told nothing, NVRTC aims at three blocks a multiprocessor where that is close, and spills for it.
  KernelFrame frame(w, request, layout.threads, layout.blocks);
  w.line("extern __shared__ __align__(128) u8 shared[];");
  llvm::ArrayRef<std::string> names = frame.arguments();
  std::string operands = names[attention->query] + ", " + names[attention->cache] + ", " + names[attention->batch];
  if (shape.splits) {
    int64_t stride = RegionPrinter::rowStride(attention->op->getResult(0).getType());
    w.line("attendPart<Shape>(shared, " + operands + ", " + frame.results()[0] + ", " + llvm::Twine(stride) + ");");
  } else if (failed(writeAttend(w, frame, *attention, operands))) {
    return failure();
  }
  KernelText text = frame.finish();
  text.sharedBytes = layout.sharedBytes;
  text.config = describeAttend(shape, layout);
  text.cost = attendCost(shape, layout, request.arch);
  const int64_t tokens = shape.splits ? 1 : layout.tileRows() / shape.rowHeads();
  text.grid[0] = {0, tokens, 1, 0, 0, shape.splits ? 0 : 1};
  text.grid[1] = GridDim::fixed(shape.kvHeads * shape.headBlocks());
  text.grid[2] = GridDim::fixed(std::max<int64_t>(1, layout.parts));
  return text;
}

} // namespace llmc
