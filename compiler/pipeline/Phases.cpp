// Pass pipeline with IR printing after chosen passes.
#include "compiler/pipeline/Phases.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FormatVariadic.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <atomic>

namespace llmc {

using namespace mlir;

/// What keys and values are stored as: who asks for products in f32 does not want them rounded on the way.
static std::string cacheType(const PassOptions &options) {
  return options.kvCache == "auto" && options.activations == "f32" ? "f32" : options.kvCache;
}

static void addPasses(PassManager &passes, Phase phase, const PassOptions &options) {
  switch (phase) {
  case Phase::Graph:
    passes.addPass(createVerifyModel());
    passes.addPass(createCanonicalizerPass());
    passes.addPass(createFuseHorizontal());
    passes.addPass(createQuantize(QuantizeOptions{options.scheme, options.groupSize, options.activations}));
    passes.addPass(createInsertSelectRows());
    passes.addPass(createInsertArgmax());
    passes.addPass(createChooseKvLayout(ChooseKvLayoutOptions{cacheType(options)}));
    passes.addPass(createAddRopeTable());
    passes.addPass(createSplitPrograms());
    passes.addPass(createCSEPass());
    return;
  case Phase::Kernels:
    passes.addPass(createFormKernels());
    passes.addPass(createFormFallback());
    passes.addPass(createDedupKernels());
    passes.addPass(createFetchAhead());
    passes.addPass(createSelectConfig(SelectConfigOptions{"", options.tuning}));
    passes.addPass(createAssignLayout());
    return;
  case Phase::Plan:
    passes.addPass(createPlanBuild());
    passes.addPass(createPlanMemory());
    passes.addPass(createPlanVerify());
    return;
  case Phase::Import:
  case Phase::Engine:
    return;
  }
}

rt::Status dumpText(const PassOptions &options, const std::string &name, const std::string &text) {
  static std::atomic<int> counter{0};
  if (options.dumpDir.empty())
    return rt::Status::ok();
  int number = counter++;
  std::string path = options.dumpDir + "/" + std::string(3 - std::min<size_t>(3, std::to_string(number).size()), '0') +
                     std::to_string(number) + "-" + name;
  std::error_code error = llvm::sys::fs::create_directories(options.dumpDir);
  if (!error) {
    llvm::raw_fd_ostream out(path, error);
    if (!error) {
      out << text;
      out.close();
      error = out.error();
      out.clear_error();
    }
  }
  if (error)
    return rt::Status::error(rt::ErrorKind::kIo, "OUT_IO", "cannot write " + path + ": " + error.message(),
                             "free space or name another --dump-dir");
  return rt::Status::ok();
}

rt::Status printIr(const PassOptions &options, llvm::StringRef when, llvm::StringRef flag,
                   llvm::function_ref<std::string()> text) {
  const std::string &wanted = when == "before" ? options.printBefore : options.printAfter;
  if (wanted.empty() || (wanted != "all" && wanted != flag))
    return rt::Status::ok();
  if (!options.dumpDir.empty())
    return dumpText(options, (when == "after" ? "" : when.str() + "-") + flag.str() + ".mlir", text());
  llvm::errs() << "// IR " << when << " " << flag << "\n" << text();
  return rt::Status::ok();
}

namespace {

/// Prints the module around chosen passes.
class IrPrinter : public PassInstrumentation {
public:
  IrPrinter(const PassOptions &options, rt::Status &status) : options_(options), status_(status) {}

  void runBeforePass(Pass *pass, Operation *op) override {
    print("before", pass, op);
    start_ = std::chrono::steady_clock::now();
  }
  void runAfterPass(Pass *pass, Operation *op) override {
    std::chrono::duration<double, std::milli> passed = std::chrono::steady_clock::now() - start_;
    if (options_.verbose && isa<ModuleOp>(op))
      llvm::errs() << llvm::formatv("pass {0}: {1:f1} ms\n", pass->getArgument(), passed.count());
    print("after", pass, op);
  }
  void runAfterPassFailed(Pass *pass, Operation *op) override { print("failed", pass, op); }

private:
  void print(llvm::StringRef when, Pass *pass, Operation *op) {
    if (!isa<ModuleOp>(op))
      return;
    rt::Status status = printIr(options_, when, pass->getArgument(), [op] {
      std::string text;
      llvm::raw_string_ostream(text) << *op << "\n";
      return text;
    });
    if (!status && status_)
      status_ = std::move(status);
  }

  const PassOptions &options_;
  rt::Status &status_;
  std::chrono::steady_clock::time_point start_;
};

} // namespace

static std::string describe(Diagnostic &diagnostic) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  diagnostic.getLocation()->walk([&](Location loc) {
    if (auto named = dyn_cast<NameLoc>(loc)) {
      stream << named.getName().getValue() << ": ";
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  stream << diagnostic;
  return text;
}

rt::Status runPhase(ModuleOp module, Phase phase, const PassOptions &options, std::vector<std::string> &remarks) {
  std::string errors;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Remark)
      remarks.push_back(describe(diagnostic));
    else
      errors += (errors.empty() ? "" : "; ") + describe(diagnostic);
  });
  rt::Status dumped;
  PassManager passes(module.getContext());
  addPasses(passes, phase, options);
  passes.addInstrumentation(std::make_unique<IrPrinter>(options, dumped));
  if (failed(passes.run(module)))
    return rt::Status::error(rt::ErrorKind::kBadInput, "PASS", errors.empty() ? "a pass failed" : errors);
  return dumped;
}

std::vector<std::string> passFlags() {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  PassManager passes(&context);
  for (Phase phase : {Phase::Graph, Phase::Kernels, Phase::Plan})
    addPasses(passes, phase, {});
  std::vector<std::string> flags;
  for (Pass &pass : passes.getPasses())
    flags.push_back(pass.getArgument().str());
  for (bool cuda : {false, true})
    flags.push_back(loweringFlag(cuda));
  return flags;
}

} // namespace llmc
