// A kernel from a text of the IR, its launches as a graph.
#include "compiler/tune/DeviceRun.h"

#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMDialect.h"
#include "runtime/format/cuda_abi.h"
#include "mlir/Parser/Parser.h"
#include <algorithm>

namespace llmc {

using namespace rt::cuda;

rt::Result<CompiledCandidate> compileCandidate(const Nvrtc &nvrtc, const Arch &arch, const DeviceTask &task,
                                               const std::vector<TunedNumber> &numbers) {
  mlir::DialectRegistry registry;
  registry.insert<llm::LLMDialect, kern::KernDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context,
                                        [&](mlir::Diagnostic &diagnostic) { message += diagnostic.str() + "; "; });
  auto module = mlir::parseSourceString<mlir::ModuleOp>(task.moduleText(), mlir::ParserConfig(&context));
  const std::string symbol = task.symbol();
  mlir::FailureOr<KernelText> text = mlir::failure();
  if (module)
    text = emitCudaKernel(
        {*module->getOps<kern::FuncOp>().begin(), symbol, arch, task.mMax(), /*warpgroups=*/false, numbers});
  if (mlir::failed(text))
    return rt::Status::error(rt::ErrorKind::kInternal, "TUNE_COMPILE",
                             "no kernel of " + task.family() + " " + task.key() + ": " + message);
  auto code = nvrtc.compile(*text, arch);
  if (!code)
    return code.takeStatus();
  return CompiledCandidate{numbers, std::move(*text), code.take()};
}

rt::Result<std::unique_ptr<DeviceRun>> DeviceRun::load(const Stream &stream, const CompiledCandidate &kernel) {
  std::unique_ptr<DeviceRun> run(new DeviceRun(stream));
  auto module = Module::load(stream.context(), kernel.code.cubin.data());
  LLMC_TRY(module.status());
  run->module_ = module.take();
  run->text_ = kernel.text;
  auto function = run->module_.kernel(kernel.text.symbol, static_cast<uint32_t>(kernel.text.sharedBytes),
                                      static_cast<uint32_t>(kernel.code.sharedBytes));
  LLMC_TRY(function.status());
  run->function_ = *function;
  for (Event *event : {&run->start_, &run->end_}) {
    auto made = Event::create(stream.context());
    LLMC_TRY(made.status());
    *event = made.take();
  }
  return run;
}

LaunchShape DeviceRun::shapeOf(const DeviceWork &work) const {
  LaunchShape shape;
  for (size_t i = 0; i < 3; ++i) {
    const llmc::GridDim &dim = text_.grid[i];
    const rt::cuda::GridDim same{static_cast<uint32_t>(dim.base),   static_cast<uint32_t>(dim.tTile),
                                 static_cast<uint32_t>(dim.tCount), static_cast<uint32_t>(dim.sTile),
                                 static_cast<uint32_t>(dim.sCount), static_cast<uint32_t>(dim.seqCount)};
    shape.grid[i] =
        static_cast<uint32_t>(blocks(same, static_cast<uint64_t>(work.tokens), static_cast<uint64_t>(work.tokens),
                                     static_cast<uint64_t>(work.sequences)));
  }
  if (const uint32_t most = mostBlocks(static_cast<uint32_t>(text_.blocksPerSm),
                                       static_cast<uint32_t>(stream_.context().facts().multiprocessors),
                                       static_cast<uint32_t>(text_.cluster)))
    shape.grid[0] = std::min(shape.grid[0], most);
  shape.threads = static_cast<uint32_t>(text_.threads);
  shape.sharedBytes = static_cast<uint32_t>(text_.sharedBytes);
  return shape;
}

rt::Status DeviceRun::enqueue(const DeviceWork &work, size_t calls) const {
  LaunchShape shape = shapeOf(work);
  for (size_t call = 0; call < calls; ++call) {
    shape.early = text_.waits && call > 0; // what is before the first is no kernel
    LLMC_TRY(stream_.launch(function_, shape, work.words(call % work.copies).data()));
  }
  return rt::Status::ok();
}

rt::Result<double> DeviceRun::seconds(const DeviceWorks &works, size_t work, size_t calls) {
  Recorded &recorded = recorded_[work];
  if (recorded.calls != calls) {
    auto graph = Graph::capture(stream_, [&] { return enqueue(works.works[work], calls); });
    LLMC_TRY(graph.status());
    recorded.graph = graph.take();
    recorded.calls = calls;
  }
  LLMC_TRY(stream_.fill(works.sweep, 1, works.sweepBytes));
  LLMC_TRY(stream_.record(start_));
  LLMC_TRY(recorded.graph.launch(stream_));
  LLMC_TRY(stream_.record(end_));
  LLMC_TRY(stream_.synchronize());
  auto milliseconds = end_.millisecondsSince(start_);
  LLMC_TRY(milliseconds.status());
  return *milliseconds / 1e3 / static_cast<double>(calls);
}

rt::Result<std::vector<float>> DeviceRun::values(const DeviceWork &work) const {
  std::vector<uint8_t> bytes(work.outBytes);
  LLMC_TRY(stream_.fill(work.out, 0, work.outBytes));
  LLMC_TRY(enqueue(work, 1));
  LLMC_TRY(stream_.copy(hostAddress(bytes.data()), work.out, work.outBytes));
  LLMC_TRY(stream_.synchronize());
  return work.values(bytes);
}

} // namespace llmc
