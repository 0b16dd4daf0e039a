// The kern dialect: attributes and operations; include this one.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include <string>

namespace llmc::kern {
class YieldOp;
class FuncOp;

/// One compiled form of a kernel: for at most `mMax` rows (0: any number), under `symbol` ("linear_960x576_m4",
/// "norm_any").
struct Variant {
  int64_t mMax;
  ::std::string symbol;
};

/// Name of the kern.func attribute (i64) of a product that may fetch pages of its cache for whom reads them next: the
/// panels of 16 weight rows of those that do so before it. Set by kern-fetch-ahead.
inline constexpr ::llvm::StringLiteral kPanelsBeforeAttr = "llmc.panels_before";

/// The words that `hero` may be.
::llvm::ArrayRef<::llvm::StringRef> heroNames();
bool isHeroName(::llvm::StringRef name);

}  // namespace llmc::kern

#include "dialects/Kern/KernDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Kern/KernAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/Kern/KernOps.h.inc"
