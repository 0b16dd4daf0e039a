// A kern.func with a linear as CUDA C++: the configuration's constants, the product's main loop from the device
// library, the region's epilogue on its sums.
#include "codegen/cuda/KernelFrame.h"
#include "codegen/cuda/RegionPrinter.h"
#include "codegen/cuda/matmul/ProductPlan.h"
#include "codegen/cuda/matmul/ProductTuning.h"
#include "runtime/format/kernel_abi.h"

using namespace mlir;

namespace llmc {
namespace {

using llvm::Twine;

class ProductWriter {
public:
  ProductWriter(const CudaRequest &request, const ProductPlan &plan, const ProductConfig &config)
      : request_(request), plan_(plan), config_(config), warpgroups_(config_.form == ProductForm::Warpgroup),
        groups_(warpgroups_ ? config_.rowWarps / 4 : 1), neighbours_(columnsStay(*plan_.linear->getBlock())) {}

  FailureOr<KernelText> write() {
    kern::FuncOp function = request_.function;
    Block &block = function.getBody().front();
    writeConstants();
    KernelFrame frame(w_, request_, config_.threads(), config_.blocksPerSm,
                      /*waits=*/config_.form == ProductForm::Tile, config_.cluster);
    FailureOr<std::string> rows = frame.rowCount();
    FailureOr<llm::Dim> dim = frame.rows();
    if (failed(rows) || failed(dim))
      return failure();
    RegionPrinter region(w_, block, frame.arguments());
    region.setThreads(config_.threads());
    for (Value result : block.getTerminator()->getOperands())
      if (region.needsRow(result))
        return result.getDefiningOp()->emitOpError("has no code on CUDA in a product's kernel: it needs whole rows");
    bindProduct(region);
    OperandRange results = block.getTerminator()->getOperands();
    auto epilogue = [&] { writeEpilogue(region, results, frame.results()); };
    if (warpgroups_)
      writeWarpgroups(frame, *rows, epilogue);
    else if (config_.streams())
      writeStream(frame, *rows), epilogue();
    else
      writeTile(*rows), epilogue();
    if (failed(region.status()))
      return failure();
    return finished(frame.finish(), *dim);
  }

private:
  void writeConstants() {
    w_.comment(describeProduct(request_.arch, plan_.shape, config_));
    auto body = w_.scope("struct Product");
    auto constant = [&](llvm::StringRef name, int64_t value) {
      w_.line("static constexpr int " + name + " = " + Twine(value) + ";");
    };
    std::string_view layout = deviceLayoutName(plan_.shape.layout);
    w_.line("using Layout = " + Twine(llvm::StringRef(layout.data(), layout.size())) + ";");
    // Of e4m3 a column is a pair; zeros follow K in x up to 16.
    int64_t columns = plan_.shape.e4m3()
                          ? static_cast<int64_t>(rt::e4m3ScaleAt(static_cast<uint64_t>(plan_.shape.k))) / 2
                          : plan_.shape.k;
    constant("kN", plan_.shape.n), constant("kK", columns), constant("kXStride", plan_.shape.xStride());
    constant("kKWarps", config_.kWarps), constant("kRowWarps", config_.rowWarps / groups_);
    constant("kTokenWarps", config_.tokenWarps);
    if (warpgroups_)
      constant("kGroups", groups_), constant("kHalves", config_.panels), constant("kCluster", config_.cluster);
    constant("kPanels", warpgroups_ ? 1 : config_.panels), constant("kTiles", config_.tiles);
    constant("kHeld", config_.held);
    constant("kStages", config_.stages), constant("kStageBlocks", config_.stageBlocks);
    constant("kSplits", config_.splits);
    body.end();
    w_.line(";");
    if (config_.splits > 1) {
      // Of the module: its launches follow one another, and the last block of each leaves zeros in `arrived`.
      w_.line("__device__ __align__(16) float parts[Splits<Product>::kFloats];");
      w_.line("__device__ u32 arrived[Splits<Product>::kRowBlocks];");
    }
  }

  /// Where the sums come from, as an expression of row and column; names the operands.
  void bindProduct(RegionPrinter &region) {
    llm::LinearOp linear = plan_.linear;
    x_ = region.pointer(linear.getX()), weights_ = region.pointer(linear.getW());
    if (int64_t header = headerBytes(plan_.shape.layout, plan_.shape.k))
      weights_ += " + " + std::to_string(header); // scales come first in a panel
    std::string bias = linear.getBias() ? region.pointer(linear.getBias()) : "";
    region.bind(linear.getResult(), [this, bias, &region](const std::string &row, const std::string &col) {
      std::string number = std::to_string(region.half());
      std::string sum = neighbours_ ? "pick(sums" + number + ", " + col + " - first" + number + ")"
                                    : "sumOf<Product>(shared, " + row + " - firstToken, " + col + " - firstPanel * 16)";
      if (plan_.shape.e4m3())
        sum = "scaledSum<Product, " + std::to_string(rt::e4m3ScaleAt(static_cast<uint64_t>(plan_.shape.k))) + ">(" +
              sum + ", " + x_ + ", " + weights_ + ", " + row + ", " + col + ")";
      return bias.empty() ? sum : "(" + sum + " + reinterpret_cast<const float *>(" + bias + ")[" + col + "])";
    });
  }

  /// Weights need nothing from the kernel before: the first ones are on their way while it ends.
  void writeStream(KernelFrame &frame, const std::string &rows) {
    w_.line("extern __shared__ __align__(1024) u8 shared[];");
    w_.line("constexpr int firstToken = 0;");
    w_.line("const int firstPanel = static_cast<int>(blockIdx.x) * " + Twine(config_.blockPanels()) + ";");
    w_.origin(plan_.linear);
    w_.line("Stream<Product> stream;");
    w_.line("stream.begin(shared, " + weights_ + ", firstPanel);");
    frame.wait();
    w_.line("const int rows = " + rows + ";");
    w_.line("if (rows == 0)");
    w_.line("  return;");
    w_.line("stream.finish(shared, " + x_ + ", rows);");
    writeJoin();
  }

  /// The last of the blocks that share K goes on.
  void writeJoin() {
    if (config_.splits == 1)
      return;
    w_.line("if (!Splits<Product>::join(shared, parts, arrived, rows))");
    w_.line("  return;");
  }

  /// Blocks differ in tokens (x) and rows (y); where several share K, in rows (x) and their part of K (y).
  void writeTile(const std::string &rows) {
    const bool splits = config_.splits > 1;
    w_.line("extern __shared__ __align__(1024) u8 shared[];");
    w_.line("const int rows = " + rows + ";");
    if (splits)
      w_.line("constexpr int firstToken = 0;");
    else
      w_.line("const int firstToken = static_cast<int>(blockIdx.x) * " + Twine(config_.blockTokens()) + ";");
    w_.line("const int firstPanel = static_cast<int>(blockIdx." + Twine(splits ? "x" : "y") + ") * " +
            Twine(config_.blockPanels()) + ";");
    w_.line("if (firstToken >= rows)");
    w_.line("  return;");
    w_.origin(plan_.linear);
    w_.line("tileProduct<Product>(shared, " + x_ + ", " + weights_ + ", rows, firstToken, firstPanel);");
    writeJoin();
  }

  /// One warpgroup copies; the others multiply tile after tile and write the results of each, some tokens at a time.
  void writeWarpgroups(KernelFrame &frame, const std::string &rows, llvm::function_ref<void()> epilogue) {
    w_.line("extern __shared__ __align__(1024) u8 ring[];");
    w_.line("WarpgroupRing<Product>::start(ring);");
    frame.wait();
    w_.line("const int rows = " + rows + ";");
    w_.origin(plan_.linear);
    auto copy = w_.scope("if (threadIdx.x < WarpgroupRing<Product>::kCopying)");
    w_.line("keepRegisters<" + Twine(kCopyRegisters) + ">();");
    w_.line("WarpgroupCopies<Product>::of(ring, " + x_ + ", " + weights_ + ", rows).run();");
    w_.line("return;");
    copy.end();
    w_.line("takeRegisters<" + Twine(kProductRegisters) + ">();");
    w_.line("WarpgroupProducts<Product> products = WarpgroupProducts<Product>::of(ring);");
    auto tiles = w_.scope("for (WarpgroupTiles<Product> tiles = WarpgroupTiles<Product>::of(rows); tiles.more(); "
                          "tiles.next())");
    w_.line("products.run();");
    auto parts = w_.scope("for (int part = 0; part < products.kParts; ++part)");
    w_.line("const int firstPanel = tiles.firstPanel() + products.panelOf(part);");
    w_.line("const int firstToken = tiles.firstToken() + products.tokenOf(part);");
    w_.line("if (firstToken >= rows)");
    w_.line("  continue;");
    w_.line("products.keepPart(part);");
    w_.line("[[maybe_unused]] const u8 *const shared = products.keptSums();");
    epilogue();
  }

  void writeEpilogue(RegionPrinter &region, OperandRange results, llvm::ArrayRef<std::string> pointers) {
    int64_t width = RegionPrinter::vectorWidth(plan_.columns);
    // Each warpgroup writes what it has summed, 64 rows and as many tokens at a time.
    int64_t columns = (warpgroups_ ? 64 : config_.blockPanels() * 16) / (plan_.interleaved ? 2 : 1),
            pieces = columns / width;
    int64_t tokens = warpgroups_ ? kSumTokens : config_.blockTokens(), threads = warpgroups_ ? 128 : config_.threads();
    auto loop = w_.scope(llvm::StringRef(warpgroups_ ? "for (int piece = products.thread"
                                                     : "for (int piece = static_cast<int>(threadIdx.x)") +
                         "; piece < " + Twine(tokens * pieces) + "; piece += " + Twine(threads) + ")");
    w_.line("const int row = firstToken + piece / " + Twine(pieces) + ";");
    w_.line("const int col = firstPanel * " + Twine(plan_.interleaved ? 8 : 16) + " + piece % " + Twine(pieces) +
            " * " + Twine(width) + ";");
    w_.line("if (row >= rows || col >= " + Twine(plan_.columns) + ")");
    w_.line("  continue;");
    if (neighbours_)
      writeNeighbours(width);
    for (auto [result, pointer] : llvm::zip_equal(results, pointers))
      region.store(result, "row", "col", pointer, width);
  }

  /// Whether an element of a result needs the linear at its own column only, or at its gate's and up's.
  static bool columnsStay(Block &block) {
    return llvm::all_of(block.without_terminator(), [](Operation &op) {
      return isa<llm::LinearOp, llm::GluOp>(op) || op.hasTrait<llm::Elementwise>();
    });
  }

  /// Reads what the neighbours at `col` need of the linear, whole vectors of it: one by one, the threads of a warp
  /// would meet in the same banks.
  void writeNeighbours(int64_t width) {
    w_.line(plan_.interleaved ? "const int first0 = col / 16 * 32 + col % 16, first1 = first0 + 16;"
                              : "const int first0 = col;");
    for (int half = 0; half < (plan_.interleaved ? 2 : 1); ++half)
      w_.line("const Vec<" + Twine(width) + "> sums" + Twine(half) + " = sumsOf<Product, " + Twine(width) +
              ">(shared, row - firstToken, first" + Twine(half) + " - firstPanel * 16);");
  }

  KernelText finished(KernelText text, llm::Dim rows) {
    text.sharedBytes = productSharedBytes(plan_.shape, config_);
    int64_t rowBlocks = (plan_.shape.panels() + config_.blockPanels() - 1) / config_.blockPanels();
    if (config_.streams() || config_.splits > 1) {
      text.grid[0] = GridDim::fixed(rowBlocks);
      text.grid[1] = GridDim::fixed(config_.splits);
    } else if (warpgroups_) {
      // A block a tile, or fewer; whole clusters.
      text.grid[0] = GridDim::rows(rows, config_.blockTokens() * config_.cluster, rowBlocks * config_.cluster);
      text.blocksPerSm = config_.blocksPerSm;
      text.cluster = config_.cluster;
      text.dealtRegisters = config_.copyWarps * 32 * kCopyRegisters + groups_ * 128 * kProductRegisters;
    } else {
      // Neighbouring blocks share weights and differ in tokens: a weight is read from memory once.
      text.grid[0] = GridDim::rows(rows, config_.blockTokens());
      text.grid[1] = GridDim::fixed(rowBlocks);
    }
    text.config = describeProduct(request_.arch, plan_.shape, config_);
    text.cost = productKernelCost(request_.arch, plan_.shape, config_, activationBytes(request_.function));
    return text;
  }

  const CudaRequest &request_;
  ProductPlan plan_;
  ProductConfig config_;
  const bool warpgroups_; ///< the form
  const int64_t groups_;  ///< warpgroups that multiply; 1 in other forms
  SourceWriter w_;
  std::string x_, weights_; ///< operands as expressions
  bool neighbours_;         ///< the epilogue has its sums in vectors, see writeNeighbours()
};

} // namespace

FailureOr<KernelText> emitCudaMatmul(const CudaRequest &request) {
  FailureOr<ProductPlan> plan = planProduct(request.function, request.mMax);
  if (failed(plan))
    return failure();
  std::string fault;
  ProductConfig config = productWith(request.arch, plan->shape, numbersFor(request), fault, request.warpgroups);
  if (!fault.empty())
    return plan->linear.emitOpError("has no code on CUDA with the numbers asked for: ") << fault;
  return ProductWriter(request, *plan, config).write();
}

} // namespace llmc
