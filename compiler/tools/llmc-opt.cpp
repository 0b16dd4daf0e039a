// mlir-opt with our dialects and passes: the tool that the lit tests run.
#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMDialect.h"
#ifdef LLMC_HAS_PLAN
#include "dialects/Plan/PlanDialect.h"
#endif
#ifdef LLMC_HAS_REFERENCE
#include "dialects/Reference/EvaluatePass.h"
#endif
#ifdef LLMC_HAS_PASSES
#include "passes/Passes.h"
#endif

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<llmc::llm::LLMDialect, llmc::kern::KernDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect,
                  mlir::scf::SCFDialect, mlir::vector::VectorDialect, mlir::memref::MemRefDialect,
                  mlir::math::MathDialect, mlir::LLVM::LLVMDialect>();
#ifdef LLMC_HAS_PLAN
  registry.insert<llmc::plan::PlanDialect>();
#endif
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  mlir::registerSymbolDCEPass();
  mlir::registerInlinerPass();
  mlir::registerStripDebugInfoPass();
#ifdef LLMC_HAS_REFERENCE
  llmc::reference::registerEvaluatePass();
#endif
#ifdef LLMC_HAS_PASSES
  llmc::registerPasses();
#endif
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "llmc IR tool\n", registry));
}
