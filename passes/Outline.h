// Moves a set of ops of one block into a kern.dispatch.
#pragma once

#include "dialects/Kern/KernDialect.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SetVector.h"

namespace llmc {

/// Ops for one kernel. `ops` need no order. Those that others use as well are copied, not moved, when `copied` holds
/// them.
struct KernelGroup {
  KernelGroup(llvm::StringRef hero, mlir::Operation *op) : hero(hero) { ops.insert(op); }
  llvm::SetVector<mlir::Operation *> ops;
  llvm::SmallPtrSet<mlir::Operation *, 4> copied;
  llvm::StringRef hero;
  llvm::SmallVector<llvm::StringRef> fused;
};

/// Replaces the group by a dispatch at its last op, or before the first outside reader of a result if that is earlier.
/// Inputs are what the ops read from outside, then `batch` if it is not among them (kernels read their row count from
/// it); outputs are results that others use. Null, with nothing changed, when no place has all inputs before and all
/// readers after.
kern::DispatchOp outline(const KernelGroup &group, mlir::Value batch);

} // namespace llmc
