// The plan dialect: attributes and operations; include this one.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"

#include "dialects/Plan/PlanDialect.h.inc"
#include "dialects/Plan/PlanEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Plan/PlanAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/Plan/PlanOps.h.inc"

namespace llmc::plan {

/// Short forms for the arguments of a launch. Offsets in bytes.
ArgAttr slotArg(::mlir::MLIRContext* ctx, ::llvm::StringRef slot, int64_t offset = 0);
ArgAttr weightArg(::mlir::MLIRContext* ctx, ::llvm::StringRef weight, int64_t offset = 0);
ArgAttr kvArg(::mlir::MLIRContext* ctx, int64_t offset);
ArgAttr batchArg(::mlir::MLIRContext* ctx);

}  // namespace llmc::plan
