// Emission, compilation, runs and comparison of kernel cases.
#include "tests/emulator/kernel_case.h"

#include <gtest/gtest.h>

#include "codegen/cuda/KernelText.h"
#include "codegen/cuda/Nvrtc.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "runtime/format/cuda_abi.h"
#include "tests/emulator/kernel_inputs.h"
#include "tests/emulator/kernel_record.h"
#include "tests/emulator/ptx_program.h"

namespace llmc::emu {
namespace {

rt::Status failure(const char* code, const std::string& what) {
  return rt::Status::error(rt::ErrorKind::kInternal, code, what);
}

/// The parsed module and what was said about it.
struct Parsed {
  mlir::MLIRContext context;
  std::string diagnostics;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  kern::FuncOp function;

  rt::Status parse(const KernelCase& test) {
    context.loadDialect<llm::LLMDialect, kern::KernDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect>();
    context.getDiagEngine().registerHandler([this](mlir::Diagnostic& diagnostic) {
      diagnostics += diagnostic.str() + "\n";
      return mlir::success();
    });
    module = mlir::parseSourceString<mlir::ModuleOp>(test.text, &context, "case.mlir");
    if (!module) return failure("EMU_CASE", "the module does not parse: " + diagnostics);
    for (kern::FuncOp candidate : module->getOps<kern::FuncOp>())
      if (!function && (test.kernel.empty() || candidate.getSymName() == test.kernel)) function = candidate;
    return function ? rt::Status::ok() : failure("EMU_CASE", "the module has no kern.func @" + test.kernel);
  }
};

uint32_t blocksOf(const GridDim& dim, const rt::Batch& batch, uint64_t more) {
  const rt::cuda::GridDim same{(uint32_t)dim.base,  (uint32_t)dim.tTile,  (uint32_t)dim.tCount,
                               (uint32_t)dim.sTile, (uint32_t)dim.sCount, (uint32_t)dim.seqCount};
  return (uint32_t)rt::cuda::blocks(same, (uint64_t)batch.tokens + more, (uint64_t)batch.rows + more,
                                    (uint64_t)batch.sequences + more);
}

/// One run and its comparison.
rt::Status runOnce(const KernelCase& test, const KernelText& text, PtxProgram& program, KernelInputs& inputs,
                   const LaunchChecks& checks, uint64_t moreWork, double* worst) {
  std::vector<uint64_t> words = inputs.prepare();
  // Blocks that take work in turn: all of it, or in checked runs that of a device of one multiprocessor, or of as many
  // as a cluster needs.
  const uint32_t most = text.blocksPerSm > 0 && checks.checked ? (uint32_t)(text.blocksPerSm * text.cluster) : ~0u;
  const Dim3 grid{std::min(blocksOf(text.grid[0], inputs.batch(), moreWork), most),
                  blocksOf(text.grid[1], inputs.batch(), moreWork), blocksOf(text.grid[2], inputs.batch(), moreWork)};
  LLMC_TRY(program.launch(text.symbol, grid, {(uint32_t)text.threads, 1, 1}, (uint32_t)text.sharedBytes,
                          std::as_bytes(std::span(words)), checks));
  std::string difference = inputs.compare(test, worst);
  return difference.empty() ? rt::Status::ok() : failure("EMU_VALUE", difference);
}

bool checksFirst(const KernelCase& test) { return test.checked && (test.checkedFirst || !test.allOrders); }

rt::Status runAll(const KernelCase& test, const KernelText& text, PtxProgram& program, KernelInputs& inputs,
                  const Arch& arch, KernelOutcome& outcome) {
  LaunchChecks checks;
  checks.seed = test.seed;
  checks.variant = test.variant;
  checks.early = text.waits;
  checks.memory = &inputs.memory();
  checks.sharedLimit = (uint32_t)arch.sharedBytesMax;
  const auto runChecked = [&] {
    LaunchChecks all = checks;
    all.order = ThreadOrder::kAscending;
    all.checked = true;
    all.counters = &outcome.counters;
    return runOnce(test, text, program, inputs, all, 0, &outcome.worst);
  };
  if (checksFirst(test)) LLMC_TRY(runChecked());
  if (test.checked && !test.allOrders) return rt::Status::ok();
  LLMC_TRY(runOnce(test, text, program, inputs, checks, 0, &outcome.worst));
  if (!test.allOrders) return rt::Status::ok();
  for (ThreadOrder order : {ThreadOrder::kDescending, ThreadOrder::kRandom}) {
    checks.order = order;
    LLMC_TRY(runOnce(test, text, program, inputs, checks, order == ThreadOrder::kRandom ? 19 : 0, &outcome.worst));
  }
  return test.checked && !checksFirst(test) ? runChecked() : rt::Status::ok();
}

/// Once more, for a machine with a GPU.
rt::Status record(const KernelCase& test, const KernelText& text, const CompiledText& compiled, PtxProgram& program,
                  KernelInputs& inputs, const Arch& arch) {
  std::vector<uint64_t> words = inputs.prepare();
  const Dim3 grid{blocksOf(text.grid[0], inputs.batch(), 0), blocksOf(text.grid[1], inputs.batch(), 0),
                  blocksOf(text.grid[2], inputs.batch(), 0)};
  const KernelRecord launch(inputs, words, grid);
  LaunchChecks checks;
  checks.sharedLimit = (uint32_t)arch.sharedBytesMax;
  LLMC_TRY(program.launch(text.symbol, grid, {(uint32_t)text.threads, 1, 1}, (uint32_t)text.sharedBytes,
                          std::as_bytes(std::span(words)), checks));
  return launch.write(recordFolder(), test, text, compiled);
}

rt::Status runOn(const KernelCase& test, Parsed& parsed, KernelInputs& inputs, KernelOutcome& outcome) {
  const Arch* arch = findArch(outcome.arch);
  if (!arch) return failure("EMU_CASE", "no architecture '" + outcome.arch + "'");
  auto text =
      emitCudaKernel(CudaRequest{parsed.function, "kernel_case", *arch, test.mMax, test.warpgroups, test.tuned});
  if (mlir::failed(text)) return failure("EMU_CASE", "no CUDA code: " + parsed.diagnostics);
  if (test.edit) text->text = test.edit(text->text);
  outcome.cudaText = text->text;
  outcome.cost = text->cost;
  auto nvrtc = Nvrtc::load();
  if (!nvrtc) return nvrtc.takeStatus();
  auto compiled = (*nvrtc)->compile(*text, *arch);
  if (!compiled) return compiled.takeStatus();
  outcome.ptx = test.editPtx ? test.editPtx(compiled->ptx) : compiled->ptx;
  outcome.registers = compiled->registers;
  outcome.sharedBytes = compiled->sharedBytes + text->sharedBytes;
  auto program = PtxProgram::load(outcome.ptx, checksFirst(test));
  if (!program) return program.takeStatus();
  LLMC_TRY(runAll(test, *text, **program, inputs, *arch, outcome));
  if (recordFolder().empty() || test.edit || test.editPtx) return rt::Status::ok();
  return record(test, *text, *compiled, **program, inputs, *arch);
}

}  // namespace

std::string missingNvrtc() {
  auto nvrtc = Nvrtc::load();
  return nvrtc ? std::string() : nvrtc.status().toString();
}

std::vector<KernelOutcome> runKernelCase(const KernelCase& test) {
  Parsed parsed;
  rt::Status status = parsed.parse(test);
  std::unique_ptr<KernelInputs> inputs;
  if (status) {
    inputs = std::make_unique<KernelInputs>(test, parsed.function);
    if (!inputs->error().empty() || !inputs->evaluate(test))
      status = failure("EMU_CASE", inputs->error() + ": " + parsed.diagnostics);
  }
  std::vector<KernelOutcome> outcomes;
  for (const std::string& arch : recordArch().empty() ? test.archs : std::vector{recordArch()}) {
    KernelOutcome outcome;
    outcome.arch = arch;
    outcome.status = status ? runOn(test, parsed, *inputs, outcome) : status;
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

void checkKernelCase(const KernelCase& test) {
  if (std::string missing = missingNvrtc(); !missing.empty()) GTEST_SKIP() << missing;
  for (const KernelOutcome& outcome : runKernelCase(test))
    EXPECT_TRUE(outcome.status.isOk()) << outcome.arch << ": " << outcome.status.toString() << "\nlargest error "
                                       << outcome.worst << "\n"
                                       << outcome.cudaText;
}

}  // namespace llmc::emu
