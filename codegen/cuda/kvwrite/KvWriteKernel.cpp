// Kernels that end in kv_write: a warp for each head of queries, keys and values of each token.
#include "codegen/cuda/KernelFrame.h"

#include "codegen/cuda/RegionPrinter.h"
#include "dialects/LLM/LLMTypes.h"
#include "llvm/ADT/StringExtras.h"
#include "runtime/format/kernel_abi.h"

using namespace mlir;

namespace llmc {

static constexpr int64_t kWarps = 4; // heads of a block

namespace {
/// Heads of one value that are stored in one way; `first` counts from the token's first head: results, keys, values.
struct HeadPart {
  enum Kind { Result, Key, Value } kind;
  mlir::Value value;
  int64_t first, heads;
  std::string target = {}; ///< Result: pointer of its row 0
};

class HeadPrinter {
public:
  HeadPrinter(SourceWriter &writer, RegionPrinter &region, llm::KvWriteOp write)
      : w_(writer), region_(region), write_(write), kv_(write.getKv().getType()) {}

  LogicalResult collect(kern::FuncOp function, llvm::ArrayRef<std::string> targets);
  int64_t heads() const { return parts_.back().first + parts_.back().heads; }
  /// Whole rows that the parts need, by the whole block.
  void prepare() {
    for (const HeadPart &part : parts_)
      region_.prepareWhole(part.value, "row", kv_.getDim());
  }
  void print();

private:
  void printPart(const HeadPart &part);
  void printStore(const HeadPart &part, const std::string &head, const std::string &within, int64_t width);
  void printScaled(const HeadPart &part, const std::string &head, int64_t width);
  void printCells(const HeadPart &part, const std::string &head, const std::string &within,
                  llvm::ArrayRef<std::string> x);

  SourceWriter &w_;
  RegionPrinter &region_;
  llm::KvWriteOp write_;
  llm::KvType kv_;
  llvm::SmallVector<HeadPart> parts_;
};
} // namespace

LogicalResult HeadPrinter::collect(kern::FuncOp function, llvm::ArrayRef<std::string> targets) {
  const int64_t dim = kv_.getDim();
  if (kv_.getKind() == llm::QuantKind::F32)
    return write_.emitOpError("has no code on CUDA for a cache of f32: expected f16, bf16, i8 or e4m3");
  if (dim % 16 != 0 || kv_.getPage() != rt::kPageTokens)
    return write_.emitOpError("has no code on CUDA here: heads must be a multiple of 16 columns, pages 16 tokens");
  int64_t first = 0;
  for (auto [i, result] : llvm::enumerate(function.getBody().front().getTerminator()->getOperands())) {
    if (!isa<RankedTensorType>(result.getType()) || llm::cols(result.getType()) % dim != 0)
      return function.emitError("expected result ")
             << i << " of a kernel with kv_write to be heads of " << dim << ", found " << result.getType();
    int64_t heads = llm::cols(result.getType()) / dim;
    parts_.push_back({HeadPart::Result, result, first, heads, targets[i]});
    first += heads;
  }
  parts_.push_back({HeadPart::Key, write_.getK(), first, kv_.getHeads()});
  parts_.push_back({HeadPart::Value, write_.getV(), first + kv_.getHeads(), kv_.getHeads()});
  return success();
}

void HeadPrinter::printStore(const HeadPart &part, const std::string &head, const std::string &within, int64_t width) {
  std::string col = w_.let("int", "col", head + " * " + std::to_string(kv_.getDim()) + " + " + within);
  if (part.kind == HeadPart::Result)
    return region_.store(part.value, "row", col, part.target, width);
  RegionPrinter::Elements x = region_.elements(part.value, "row", col, width);
  w_.origin(write_);
  printCells(part, head, within, x);
}

/// Writes `x`, neighbours of a head from column `within` on, to their places in the page.
void HeadPrinter::printCells(const HeadPart &part, const std::string &head, const std::string &within,
                             llvm::ArrayRef<std::string> x) {
  const int64_t bytes = kv_.elementBytes(), headBytes = kv_.getDim() * rt::kPageTokens * bytes;
  const std::string size = std::to_string(bytes), inHead = head + " * " + std::to_string(headBytes);
  auto store = [&](const std::string &at, llvm::ArrayRef<std::string> values) {
    std::string count = std::to_string(values.size());
    w_.line((kv_.hasScales() ? "storeCodes<" : "store<") + cacheFormat(kv_.getKind()).str() + ", " + count +
            ">(page + " + at + ", Vec<" + count + ">{{" + llvm::join(values, ", ") + "}});");
  };
  if (part.kind == HeadPart::Value) // [kv head][16 tokens][D]
    return store(std::to_string(kv_.getHeads() * headBytes) + " + " + inHead + " + token * " +
                     std::to_string(kv_.getDim() * bytes) + " + " + within + " * " + size,
                 x);
  for (auto [i, value] : llvm::enumerate(x)) // [kv head][D][16 tokens]: a token is a column
    store(inHead + " + (" + within + " + " + std::to_string(i) + ") * " + std::to_string(rt::kPageTokens * bytes) +
              " + token * " + size,
          value);
}

void HeadPrinter::printPart(const HeadPart &part) {
  const int64_t dim = kv_.getDim();
  // As many neighbours a lane as the head has for all lanes.
  const int64_t width = dim % 128 == 0 ? 4 : dim % 64 == 0 ? 2 : 1;
  std::string head = w_.fresh("head"), within = w_.fresh("within");
  w_.line("const int " + head + " = item - " + llvm::Twine(part.first) + ";");
  region_.prepareHead(part.value, "row", head, dim);
  if (kv_.hasScales() && part.kind != HeadPart::Result)
    return printScaled(part, head, width);
  if (dim > 32 * width)
    w_.line("#pragma unroll");
  auto columns = w_.scope("for (int " + within + " = lane * " + std::to_string(width) + "; " + within + " < " +
                          std::to_string(dim) + "; " + within + " += " + std::to_string(32 * width) + ")");
  printStore(part, head, within, width);
}

/// Codes of one head of one token and their scale: its numbers stay in registers while a warp finds the largest.
void HeadPrinter::printScaled(const HeadPart &part, const std::string &head, int64_t width) {
  const int64_t dim = kv_.getDim(), steps = (dim + 32 * width - 1) / (32 * width);
  const std::string codes = cacheFormat(kv_.getKind()).str();
  std::string kept = w_.fresh("kept"), step = w_.fresh("step"), top = w_.fresh("largest");
  w_.line("float " + kept + "[" + llvm::Twine(steps) + "][" + llvm::Twine(width) + "] = {}, " + top + " = 0.0f;");
  RegionPrinter::Elements places, coded;
  for (int64_t i = 0; i < width; ++i)
    places.push_back(kept + "[" + step + "][" + std::to_string(i) + "]");
  auto forSteps = [&](llvm::function_ref<void(const std::string &within)> body) {
    w_.line("#pragma unroll");
    auto loop = w_.scope("for (int " + step + " = 0; " + step + " < " + std::to_string(steps) + "; ++" + step + ")");
    std::string within = w_.let("int", "within", "(" + step + " * 32 + lane) * " + std::to_string(width));
    auto guard = w_.scope("if (" + within + " < " + std::to_string(dim) + ")");
    body(within);
  };
  forSteps([&](const std::string &within) {
    std::string col = w_.let("int", "col", head + " * " + std::to_string(dim) + " + " + within);
    for (auto [place, x] : llvm::zip(places, region_.elements(part.value, "row", col, width))) {
      w_.line(place + " = " + x + ";");
      w_.line(top + " = fmaxf(" + top + ", fabsf(" + place + "));");
    }
  });
  w_.origin(write_);
  std::string whole = w_.let("float", "largest", "warpMax(" + top + ")");
  std::string inverse = w_.let("float", "inverse", "codeInverse<" + codes + ">(" + whole + ")");
  for (const std::string &place : places)
    coded.push_back(place + " * " + inverse);
  forSteps([&](const std::string &within) { printCells(part, head, within, coded); });
  // Behind the codes of all heads: [kv head][16 tokens] of K, then of V.
  const int64_t keys = 2 * kv_.getHeads() * dim * rt::kPageTokens, tokens = rt::kPageTokens * 4;
  const int64_t first = keys + (part.kind == HeadPart::Value ? kv_.getHeads() * tokens : 0);
  w_.line("if (lane == 0)");
  w_.line("  *reinterpret_cast<float *>(page + " + llvm::Twine(first) + " + " + head + " * " + llvm::Twine(tokens) +
          " + token * 4) = codeScale<" + codes + ">(" + whole + ");");
}

void HeadPrinter::print() {
  const int64_t pageBytes = kv_.getLayers() * kv_.layerBytes();
  w_.line("const int item = static_cast<int>(blockIdx.y) * " + llvm::Twine(kWarps) +
          " + static_cast<int>(threadIdx.x / 32);");
  w_.line("const int lane = static_cast<int>(threadIdx.x % 32);");
  w_.line("const int slot = " + region_.pointer(write_.getBatch()) + "->slots[row];");
  w_.line("[[maybe_unused]] const int token = slot % kPageTokens;");
  w_.line("[[maybe_unused]] u8 *const page = " + region_.pointer(write_.getKv()) +
          " + static_cast<i64>(slot / kPageTokens) * " + llvm::Twine(pageBytes) + ";");
  for (const HeadPart &part : parts_) {
    llvm::StringRef what = part.kind == HeadPart::Result ? "queries" : part.kind == HeadPart::Key ? "keys" : "values";
    w_.comment(what);
    std::string from = part.first == 0 ? "" : "item >= " + std::to_string(part.first) + " && ";
    auto branch = w_.scope("if (" + from + "item < " + std::to_string(part.first + part.heads) + ")");
    printPart(part);
    region_.forgetHead();
  }
}

FailureOr<KernelText> emitCudaKvWrite(const CudaRequest &request) {
  kern::FuncOp function = request.function;
  Block &block = function.getBody().front();
  auto writes = block.getOps<llm::KvWriteOp>();
  if (!llvm::hasSingleElement(writes))
    return function.emitError("expected exactly one llm.kv_write in a kv_write kernel");
  SourceWriter writer;
  KernelFrame frame(writer, request, 32 * kWarps);
  RegionPrinter region(writer, block, frame.arguments());
  region.setThreads(32 * kWarps);
  HeadPrinter printer(writer, region, *writes.begin());
  FailureOr<std::string> count = frame.rowCount();
  if (failed(count) || failed(printer.collect(function, frame.results())))
    return failure();
  writer.line("const int row = static_cast<int>(blockIdx.x);");
  writer.line("if (row >= " + *count + ")");
  writer.line("  return;");
  printer.prepare();
  printer.print();
  if (failed(region.status()))
    return failure();
  KernelText text = frame.finish();
  text.grid[0] = GridDim::rows(*frame.rows(), 1);
  text.grid[1] = GridDim::fixed((printer.heads() + kWarps - 1) / kWarps);
  text.config = "a warp a head, " + std::to_string(kWarps) + " heads a block";
  return text;
}

} // namespace llmc
