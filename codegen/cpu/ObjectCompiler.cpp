// Kernel module -> LLVM dialect -> LLVM IR -> object, with a short list of LLVM passes.
#include "codegen/cpu/ObjectCompiler.h"

#include "mlir/Pass/Pass.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/TargetParser/Triple.h"
#include <mutex>

using namespace mlir;

namespace llmc {

static constexpr llvm::StringLiteral kTriple = "x86_64-unknown-linux-gnu";
static constexpr llvm::StringLiteral kPasses =
    "function(early-cse,instcombine<no-verify-fixpoint>,simplifycfg,loop-simplify,loop-mssa(licm),early-cse)";

void registerKernelDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, LLVM::LLVMDialect, math::MathDialect,
                  scf::SCFDialect, vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

static llvm::Error failed(const llvm::Twine &what) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), what);
}

static llvm::Error lowerToLLVMDialect(ModuleOp module) {
  PassManager passes(module.getContext());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertFuncToLLVMPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  std::string message;
  ScopedDiagnosticHandler handler(
      module.getContext(), [&](Diagnostic &diagnostic) { llvm::raw_string_ostream(message) << diagnostic << "\n"; });
  if (mlir::failed(passes.run(module)))
    return failed("cannot lower the kernel to the LLVM dialect: " + message);
  return llvm::Error::success();
}

/// A target machine for `level`; position independent, no fused or relaxed float rules beyond those in the IR.
static llvm::Expected<std::unique_ptr<llvm::TargetMachine>> makeMachine(const Level &level) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  std::string error;
  llvm::Triple triple(kTriple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return failed("LLVM has no x86-64 target: " + error);
  std::string features(level.features);
  if (level.avx512)
    features += std::string(features.empty() ? "" : ",") + "-prefer-256-bit";
  llvm::TargetOptions options;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(triple, level.cpu, features, options,
                                                                          llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                                                          llvm::CodeGenOptLevel::Aggressive));
}

static void setAttributes(llvm::Module &module, const Level &level) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    // A zeroing loop must not become a call to memset: the image imports nothing.
    function.addFnAttr("no-builtins");
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr("target-cpu", level.cpu);
    if (!level.features.empty())
      function.addFnAttr("target-features", level.features);
    if (level.avx512) {
      function.addFnAttr("prefer-vector-width", "512");
      function.addFnAttr("min-legal-vector-width", "512");
    }
  }
}

static llvm::Error optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PassBuilder builder(&machine);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  llvm::ModulePassManager passes;
  if (llvm::Error error = builder.parsePassPipeline(passes, kPasses))
    return error;
  passes.run(module, modules);
  return llvm::Error::success();
}

static llvm::Error emit(llvm::Module &module, llvm::TargetMachine &machine, llvm::CodeGenFileType kind,
                        llvm::SmallVectorImpl<char> &out) {
  llvm::raw_svector_ostream stream(out);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, kind, /*DisableVerify=*/true))
    return failed("the x86-64 target cannot write this kind of file");
  passes.run(module);
  return llvm::Error::success();
}

llvm::Expected<CompiledKernel> compileKernel(ModuleOp module, const Level &level, bool wantListing) {
  CompiledKernel result;
  if (wantListing)
    llvm::raw_string_ostream(result.listing.mlir) << module;
  if (llvm::Error error = lowerToLLVMDialect(module))
    return error;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(module, context, "kernel");
  if (!llvmModule)
    return failed("cannot translate the kernel to LLVM IR");
  auto machine = makeMachine(level);
  if (!machine)
    return machine.takeError();
  llvmModule->setTargetTriple(llvm::Triple(kTriple));
  llvmModule->setDataLayout((*machine)->createDataLayout());
  setAttributes(*llvmModule, level);
  if (llvm::Error error = optimize(*llvmModule, **machine))
    return error;
  if (wantListing) {
    llvm::raw_string_ostream(result.listing.llvmIr) << *llvmModule;
    llvm::SmallVector<char, 0> text;
    auto copy = llvm::CloneModule(*llvmModule);
    if (llvm::Error error = emit(*copy, **machine, llvm::CodeGenFileType::AssemblyFile, text))
      return error;
    result.listing.assembly.assign(text.begin(), text.end());
  }
  if (llvm::Error error = emit(*llvmModule, **machine, llvm::CodeGenFileType::ObjectFile, result.object))
    return error;
  return result;
}

} // namespace llmc
