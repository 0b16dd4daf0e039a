// Text of remarks and of places in the model.
#include "passes/Remark.h"

#include "mlir/IR/Location.h"
#include "passes/Passes.h"

namespace llmc {

mlir::InFlightDiagnostic missed(mlir::Operation *op, llvm::StringRef pattern) {
  mlir::InFlightDiagnostic remark = op->emitRemark() << "missed " << pattern;
  if (auto program = op->getParentOfType<mlir::func::FuncOp>(); program && program->hasAttr(kTokensMaxAttr))
    remark << " in @" << program.getName();
  remark << ": ";
  return remark;
}

std::string originOf(mlir::Operation *op) {
  std::string name;
  op->getLoc()->walk([&](mlir::Location loc) {
    if (auto named = llvm::dyn_cast<mlir::NameLoc>(loc)) {
      name = named.getName().str();
      return mlir::WalkResult::interrupt();
    }
    return mlir::WalkResult::advance();
  });
  return name.empty() ? op->getName().getStringRef().str() : name;
}

} // namespace llmc
