// The text around a kernel's body, and grids in terms of the rows that a kernel makes.
#include "codegen/cuda/KernelFrame.h"

#include "dialects/LLM/LLMTypes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace llmc {

GridDim GridDim::rows(llm::Dim rows, int64_t tile, int64_t count) {
  GridDim grid;
  if (rows.isFixed()) {
    grid.base = (rows.value + tile - 1) / tile * count;
    return grid;
  }
  grid.base = 0;
  (rows.isS() ? grid.sTile : grid.tTile) = tile;
  (rows.isS() ? grid.sCount : grid.tCount) = count;
  return grid;
}

static void printGrid(llvm::raw_ostream &out, const GridDim &dim) {
  bool any = dim.base != 0;
  if (any)
    out << dim.base;
  auto term = [&](int64_t tile, int64_t count, const char *of) {
    if (count == 0)
      return;
    out << (any ? " + " : "") << count << " * " << of;
    if (tile > 1)
      out << "/" << tile;
    any = true;
  };
  term(dim.tTile, dim.tTile ? dim.tCount : 0, "T");
  term(dim.sTile, dim.sTile ? dim.sCount : 0, "S");
  term(0, dim.seqCount, "sequences");
}

std::string describeLaunch(const KernelText &text) {
  std::string line;
  llvm::raw_string_ostream out(line);
  out << text.symbol << ": grid (";
  for (int i = 0; i < 3; ++i) {
    printGrid(out, text.grid[i]);
    if (i == 0 && text.blocksPerSm > 0)
      out << ", at most " << text.blocksPerSm << " a multiprocessor";
    if (i == 0 && text.cluster > 1)
      out << ", clusters of " << text.cluster;
    out << (i < 2 ? ", " : ")");
  }
  out << ", " << text.threads << " threads, " << text.sharedBytes << " bytes of shared memory";
  return line;
}

llvm::StringRef cacheFormat(llm::QuantKind kind) {
  return kind == llm::QuantKind::I8     ? "I8"
         : kind == llm::QuantKind::E4M3 ? "E4m3"
         : kind == llm::QuantKind::BF16 ? "BF16"
                                        : "F16";
}

static std::string spelled(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static void commentList(SourceWriter &writer, llvm::StringRef what, ArrayAttr list) {
  if (!list || list.empty())
    return;
  std::string text;
  for (StringAttr entry : list.getAsRange<StringAttr>())
    text += (text.empty() ? " " : ", ") + entry.getValue().str();
  writer.comment(what + text);
}

/// What a word is called: by its type.
static llvm::StringRef kindOf(Type type) {
  if (isa<llm::BatchType>(type))
    return "batch";
  if (isa<llm::KvType>(type))
    return "kv";
  return isa<llm::WeightType>(type) ? "w" : "x";
}

KernelFrame::KernelFrame(SourceWriter &writer, const CudaRequest &request, int64_t threads, int64_t minBlocks,
                         bool waits, int64_t cluster)
    : writer_(writer), function_(request.function), symbol_(request.symbol), threads_(threads),
      startsEarly_(request.arch.startsEarly()) {
  const unsigned inputs = function_.getArgumentTypes().size(), count = inputs + function_.getResultTypes().size();
  std::string rows = request.mMax > 0 ? "at most " + llvm::utostr(request.mMax) + " rows" : "any number of rows";
  writer.comment(request.symbol + ": " + function_.getHero() + " of kern.func @" + function_.getSymName() + ", " +
                 rows);
  commentList(writer, "from", function_.getOriginAttr());
  commentList(writer, "fused:", function_.getFusedAttr());
  writer.line("struct Args {");
  writer.line("  u64 word[" + llvm::Twine(count) + "];");
  writer.line("};");
  std::string bounds = llvm::utostr(threads) + (minBlocks > 0 ? ", " + llvm::utostr(minBlocks) : "");
  const std::string clusters = cluster > 1 ? "__cluster_dims__(" + llvm::utostr(cluster) + ", 1, 1) " : "";
  body_.emplace(writer.scope("extern \"C\" __global__ void __launch_bounds__(" + bounds + ") " + clusters +
                             request.symbol + "(const __grid_constant__ Args args)"));
  for (unsigned i = 0; i < count; ++i) {
    const bool input = i < inputs;
    Type type = input ? function_.getArgumentTypes()[i] : function_.getResultTypes()[i - inputs];
    std::string name = input ? (kindOf(type) + llvm::Twine(i)).str() : "out" + llvm::utostr(i - inputs);
    // Only what the kernel writes is not const: results, and the cache.
    llvm::StringRef pointee = isa<llm::BatchType>(type)          ? "const Batch"
                              : !input || isa<llm::KvType>(type) ? "u8"
                                                                 : "const u8";
    writer.comment(name + ": " + spelled(type));
    writer.line("[[maybe_unused]] " + pointee + " *const " + name + " = reinterpret_cast<" + pointee +
                " *>(args.word[" + llvm::Twine(i) + "]);");
    (input ? arguments_ : results_).push_back(name);
  }
  if (startsEarly_)
    writer.line("startNext();");
  if (waits)
    wait();
}

void KernelFrame::wait() {
  if (startsEarly_)
    writer_.line("waitForPrevious();");
}

FailureOr<llm::Dim> KernelFrame::rows() {
  llm::Dim rows = llm::Dim::T();
  for (auto [i, type] : llvm::enumerate(function_.getResultTypes())) {
    llm::Dim found = llm::rowsDim(type);
    if (i > 0 && found != rows)
      return function_.emitError("results of one kernel must have the same rows, found ")
             << llm::toString(rows) << " and " << llm::toString(found);
    rows = found;
  }
  return rows;
}

FailureOr<std::string> KernelFrame::rowCount() {
  FailureOr<llm::Dim> dim = rows();
  if (failed(dim))
    return failure();
  if (dim->isFixed())
    return std::to_string(dim->value);
  for (auto [type, name] : llvm::zip(function_.getArgumentTypes(), arguments_))
    if (isa<llm::BatchType>(type))
      return name + (dim->isS() ? "->rows" : "->tokens");
  return function_.emitError("a kernel with ") << llm::toString(*dim) << " rows needs a !llm.batch argument";
}

KernelText KernelFrame::finish() {
  body_.reset();
  KernelText text{symbol_, writer_.text(), threads_};
  text.waits = startsEarly_;
  text.words = static_cast<int64_t>(arguments_.size() + results_.size());
  return text;
}

} // namespace llmc
