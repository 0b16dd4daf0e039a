// The product's kernel from a text of the IR, its memory filled once, its launches as a graph.
#include "compiler/tune/DeviceProduct.h"

#include "codegen/cuda/matmul/ProductTuning.h"
#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMDialect.h"
#include "runtime/format/cuda_abi.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Parser/Parser.h"
#include <algorithm>
#include <cstring>
#include <random>

namespace llmc {

using namespace rt::cuda;

/// A weight stored in `layout`, as #llm.q writes it.
static llvm::StringRef quantOf(Layout layout) {
  switch (layout) {
  case Layout::F16M16K16:
    return "f16";
  case Layout::Q8M16K32:
    return "i8, 32, sym";
  case Layout::Q4M16K64Sym:
    return "i4, 32, sym";
  case Layout::Q4M16K64Asym:
    return "i4, 32, asym";
  case Layout::Q4M16K128Asym:
    return "i4, 128, asym";
  case Layout::E4M3M16K32:
    return "e4m3";
  case Layout::Q5M16K64Sym:
    return "i5, 32, sym";
  case Layout::Q5M16K64Asym:
    return "i5, 32, asym";
  case Layout::Q4KM16K128:
    return "i4, 32, asym, k256";
  case Layout::Q5KM16K128:
    return "i5, 32, asym, k256";
  case Layout::Q6KM16K128:
    return "i6, 16, sym, k256";
  default:
    return "bf16";
  }
}

static std::string tensorType(int64_t columns, llvm::StringRef element) {
  return llvm::formatv("tensor<?x{0}x{1}, #llm.dims<[T, {0}]>>", columns, element).str();
}

static int64_t resultColumns(const ProductShape &shape) { return shape.n / shape.unitPanels; }

static std::string moduleText(const ProductShape &shape) {
  const std::string x =
      shape.e4m3() ? llvm::formatv("!llm.qact<[T, {0}], e4m3>", shape.k).str() : tensorType(shape.k, "bf16");
  const char *body = shape.unitPanels == 1
                         ? "  %y = llm.linear %x, %w : (!x, !w) -> !y\n"
                         : "  %s = llm.linear %x, %w : (!x, !w) -> !s\n"
                           "  %y = llm.glu %s {act = #llm.act_fn<silu>, interleave = 16} : (!s) -> !y\n";
  return llvm::formatv("!x = {0}\n!w = !llm.weight<[{1}, {2}], #llm.q<{3}>>\n!s = {4}\n!y = {5}\n"
                       "kern.func @product(%x: !x, %w: !w, %b: !llm.batch) -> !y attributes {{hero = \"linear\"} {{\n"
                       "{6}  kern.yield %y : !y\n}\n",
                       x, shape.n, shape.k, quantOf(shape.layout), tensorType(shape.n, "f32"),
                       tensorType(resultColumns(shape), "f32"), body)
      .str();
}

rt::Result<CompiledProduct> compileProduct(const Nvrtc &nvrtc, const Arch &arch, const ProductShape &shape,
                                           const ProductConfig &config) {
  mlir::DialectRegistry registry;
  registry.insert<llm::LLMDialect, kern::KernDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context,
                                        [&](mlir::Diagnostic &diagnostic) { message += diagnostic.str() + "; "; });
  const std::vector<TunedNumber> numbers = productNumbers(config);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(moduleText(shape), mlir::ParserConfig(&context));
  mlir::FailureOr<KernelText> text = mlir::failure();
  if (module)
    text = emitCudaKernel(
        {*module->getOps<kern::FuncOp>().begin(), "product", arch, shape.mMax, /*warpgroups=*/false, numbers});
  if (mlir::failed(text))
    return rt::Status::error(rt::ErrorKind::kInternal, "TUNE_COMPILE",
                             "no kernel of " + std::to_string(shape.n) + " x " + std::to_string(shape.k) + ": " +
                                 message);
  auto code = nvrtc.compile(*text, arch);
  if (!code)
    return code.takeStatus();
  return CompiledProduct{config, std::move(*text), code.take()};
}

namespace {

/// Any numbers that are finite: bytes of codes at random, exponents of scales small.
void fillFragments(const ProductShape &shape, std::vector<uint8_t> &data) {
  std::mt19937_64 random(1);
  const Layout layout = shape.layout;
  const bool codes = isQuantized(layout) && !shape.e4m3();
  for (size_t at = 0; at + 8 <= data.size(); at += 8) {
    uint64_t bits = random();
    if (!codes)
      bits &= 0x3f3f3f3f3f3f3f3full; // of bf16, f16 and e4m3: positive, below 2
    std::memcpy(&data[at], &bits, 8);
  }
  const auto panel = static_cast<size_t>(panelBytes(layout, shape.k));
  const auto header = static_cast<size_t>(headerBytes(layout, shape.k));
  const auto block = static_cast<size_t>(superblockBytes(layout)), scales = static_cast<size_t>(scalesOffset(layout));
  const bool halves = codes && !quantFormat(layout).byteScales;
  for (size_t at = 0; at + panel <= data.size(); at += panel) {
    for (size_t i = 3; i < header; i += 4)
      data[at + i] = 0x3c; // f32
    for (size_t b = header; halves && b + block <= panel; b += block)
      for (size_t i = scales + 1; i < block; i += 2)
        data[at + b + i] = 0x20; // f16
  }
}

std::vector<uint8_t> randomRows(const ProductShape &shape, int64_t rows) {
  std::mt19937_64 random(2);
  std::vector<uint8_t> data(static_cast<size_t>(rows * shape.xStride()));
  for (size_t at = 0; at + 8 <= data.size(); at += 8) {
    const uint64_t bits = random() & 0x3f3f3f3f3f3f3f3full;
    std::memcpy(&data[at], &bits, 8);
  }
  const float one = 1;
  if (shape.e4m3())
    for (int64_t row = 0; row < rows; ++row)
      std::memcpy(&data[static_cast<size_t>(row * shape.xStride()) + rt::e4m3ScaleAt(static_cast<uint64_t>(shape.k))],
                  &one, 4);
  return data;
}

/// More than the largest second-level cache there is, where the device has room.
constexpr uint64_t kSweepBytes = uint64_t{256} << 20, kLeastBytes = 1 << 16;

} // namespace

rt::Result<std::unique_ptr<DeviceProductMemory>> DeviceProductMemory::make(const Stream &stream,
                                                                           const ProductShape &shape) {
  const Context &context = stream.context();
  auto free = context.memory();
  LLMC_TRY(free.status());
  std::unique_ptr<DeviceProductMemory> made(new DeviceProductMemory);
  made->rows = shape.mMax ? shape.mMax : 512;
  made->weightBytes = static_cast<uint64_t>(roundUpTo(packedBytes(shape.layout, shape.n, shape.k), 256));
  const uint64_t most = std::clamp(free->free / 4, kLeastBytes, kSweepBytes);
  made->copies = std::max<size_t>(1, most / made->weightBytes);
  const auto rows = static_cast<uint64_t>(made->rows) + rt::kPaddingRows;
  const auto take = [&](DeviceBuffer &into, uint64_t bytes) {
    auto buffer = DeviceBuffer::create(context, bytes, "the measurement of a product");
    LLMC_TRY(buffer.status());
    into = buffer.take();
    return rt::Status::ok();
  };
  LLMC_TRY(take(made->weights, made->weightBytes * made->copies + 4096)); // kernels may read so far past a weight
  LLMC_TRY(take(made->x, rows * static_cast<uint64_t>(shape.xStride())));
  LLMC_TRY(take(made->out, rows * rt::rowStrideBytes(static_cast<uint64_t>(resultColumns(shape)) * 4)));
  LLMC_TRY(take(made->batch, sizeof(rt::Batch)));
  LLMC_TRY(take(made->sweep, most));
  std::vector<uint8_t> weight(made->weightBytes);
  fillFragments(shape, weight);
  LLMC_TRY(stream.copy(made->weights.address(), hostAddress(weight.data()), weight.size()));
  LLMC_TRY(stream.fill(made->weights.address() + made->weightBytes * made->copies, 0, 4096));
  for (size_t copy = 1; copy < made->copies; ++copy)
    LLMC_TRY(stream.copy(made->weights.address() + copy * made->weightBytes, made->weights.address(), weight.size()));
  const std::vector<uint8_t> x = randomRows(shape, made->rows);
  LLMC_TRY(stream.fill(made->x.address(), 0, made->x.size()));
  LLMC_TRY(stream.copy(made->x.address(), hostAddress(x.data()), x.size()));
  rt::Batch batch;
  batch.tokens = static_cast<int32_t>(made->rows);
  LLMC_TRY(stream.copy(made->batch.address(), hostAddress(&batch), sizeof batch));
  LLMC_TRY(stream.synchronize());
  return made;
}

rt::Result<std::unique_ptr<DeviceProductRun>> DeviceProductRun::load(const Stream &stream,
                                                                     const CompiledProduct &product,
                                                                     const ProductShape &shape,
                                                                     const DeviceProductMemory &memory) {
  std::unique_ptr<DeviceProductRun> run(new DeviceProductRun(stream));
  auto module = Module::load(stream.context(), product.code.cubin.data());
  LLMC_TRY(module.status());
  run->module_ = module.take();
  const KernelText &text = product.text;
  auto function = run->module_.kernel(text.symbol, static_cast<uint32_t>(text.sharedBytes));
  LLMC_TRY(function.status());
  run->function_ = *function;
  const auto tokens = static_cast<uint64_t>(memory.rows);
  for (size_t i = 0; i < 3; ++i) {
    const llmc::GridDim &dim = text.grid[i];
    const rt::cuda::GridDim same{static_cast<uint32_t>(dim.base),   static_cast<uint32_t>(dim.tTile),
                                 static_cast<uint32_t>(dim.tCount), static_cast<uint32_t>(dim.sTile),
                                 static_cast<uint32_t>(dim.sCount), static_cast<uint32_t>(dim.seqCount)};
    run->shape_.grid[i] = static_cast<uint32_t>(blocks(same, tokens, tokens, 1));
  }
  if (const uint32_t most = mostBlocks(static_cast<uint32_t>(text.blocksPerSm),
                                       static_cast<uint32_t>(stream.context().facts().multiprocessors),
                                       static_cast<uint32_t>(text.cluster)))
    run->shape_.grid[0] = std::min(run->shape_.grid[0], most);
  run->shape_.threads = static_cast<uint32_t>(text.threads);
  run->shape_.sharedBytes = static_cast<uint32_t>(text.sharedBytes);
  run->shape_.early = text.waits;
  for (Event *event : {&run->start_, &run->end_}) {
    auto made = Event::create(stream.context());
    LLMC_TRY(made.status());
    *event = made.take();
  }
  return run;
}

rt::Status DeviceProductRun::enqueue(const DeviceProductMemory &memory, size_t calls) const {
  for (size_t call = 0; call < calls; ++call) {
    const uint64_t words[4] = {memory.x.address(), memory.weights.address() + call % memory.copies * memory.weightBytes,
                               memory.batch.address(), memory.out.address()};
    LaunchShape shape = shape_;
    shape.early = shape_.early && call > 0; // what is before the first is no kernel
    LLMC_TRY(stream_.launch(function_, shape, words));
  }
  return rt::Status::ok();
}

rt::Result<double> DeviceProductRun::seconds(const DeviceProductMemory &memory, size_t calls) {
  if (recorded_ != calls) {
    auto graph = Graph::capture(stream_, [&] { return enqueue(memory, calls); });
    LLMC_TRY(graph.status());
    graph_ = graph.take();
    recorded_ = calls;
  }
  LLMC_TRY(stream_.fill(memory.sweep.address(), 1, memory.sweep.size()));
  LLMC_TRY(stream_.record(start_));
  LLMC_TRY(graph_.launch(stream_));
  LLMC_TRY(stream_.record(end_));
  LLMC_TRY(stream_.synchronize());
  auto milliseconds = end_.millisecondsSince(start_);
  LLMC_TRY(milliseconds.status());
  return *milliseconds / 1e3 / static_cast<double>(calls);
}

} // namespace llmc
