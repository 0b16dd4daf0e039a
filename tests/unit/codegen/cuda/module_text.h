// Kernels written as MLIR text, for tests of what is generated from them.
#pragma once

#include "codegen/cuda/KernelText.h"
#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include <string>

namespace llmc {

/// A module and the diagnostics that code generation gives on it.
class ModuleText {
public:
  /// Text that does not parse leaves module() null; diagnostics() says why.
  explicit ModuleText(const std::string &text) {
    context_.loadDialect<llm::LLMDialect, kern::KernDialect>();
    context_.getDiagEngine().registerHandler([this](mlir::Diagnostic &diagnostic) {
      diagnostics_ += diagnostic.str() + "\n";
      return mlir::success();
    });
    module_ = mlir::parseSourceString<mlir::ModuleOp>(text, &context_, "kernels.mlir");
  }

  mlir::ModuleOp module() { return module_.get(); }
  const std::string &diagnostics() const { return diagnostics_; }
  kern::FuncOp first() { return *module_->getOps<kern::FuncOp>().begin(); }
  /// The first kernel of the module for an architecture.
  mlir::FailureOr<KernelText> emit(llvm::StringRef arch = "sm_90a") {
    return emitCudaKernel(CudaRequest{first(), "kernel", *findArch(arch)});
  }

private:
  mlir::MLIRContext context_;
  std::string diagnostics_;
  mlir::OwningOpRef<mlir::ModuleOp> module_;
};

/// What code generation says against the first kernel of `module`; empty when there is nothing against it.
inline std::string refusalOf(const std::string &module) {
  ModuleText text(module);
  if (!text.module())
    return "no module: " + text.diagnostics();
  return mlir::succeeded(text.emit()) ? "" : text.diagnostics();
}

} // namespace llmc
