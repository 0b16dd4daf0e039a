// Clones a group of ops into a dispatch and rewires their users.
#include "passes/Outline.h"

#include "dialects/LLM/LLMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/Remark.h"

namespace llmc {

using namespace mlir;

/// The group's ops in block order.
static llvm::SmallVector<Operation *> ordered(const KernelGroup &group) {
  llvm::SmallVector<Operation *> ops(group.ops.begin(), group.ops.end());
  llvm::sort(ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return ops;
}

static bool usedOutside(Value value, const KernelGroup &group) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) { return !group.ops.contains(user); });
}

/// Where the dispatch can stand: at the group's last op, or before the first outside reader of a result when that comes
/// earlier. Null when an input is made only after that reader, or when the group writes the cache and must not move.
static Operation *placeOf(llvm::ArrayRef<Operation *> ops, const KernelGroup &group, llvm::ArrayRef<Value> inputs,
                          llvm::ArrayRef<Value> outputs) {
  Operation *place = ops.back();
  for (Value output : outputs)
    for (Operation *user : output.getUsers())
      if (!group.ops.contains(user) && user->isBeforeInBlock(place))
        place = user;
  if (place == ops.back())
    return place;
  bool late = llvm::any_of(inputs, [&](Value input) {
    Operation *source = input.getDefiningOp();
    return source && !source->isBeforeInBlock(place);
  });
  bool writes = llvm::any_of(ops, [](Operation *op) { return !isMemoryEffectFree(op); });
  return late || writes ? nullptr : place;
}

kern::DispatchOp outline(const KernelGroup &group, Value batch) {
  llvm::SmallVector<Operation *> ops = ordered(group);
  llvm::SetVector<Value> inputs;
  llvm::SmallVector<Value> outputs;
  llvm::SmallVector<std::string> origins;
  for (Operation *op : ops) {
    for (Value operand : op->getOperands())
      if (Operation *source = operand.getDefiningOp(); !source || !group.ops.contains(source))
        inputs.insert(operand);
    if (!group.copied.contains(op))
      for (Value result : op->getResults())
        if (usedOutside(result, group))
          outputs.push_back(result);
    std::string origin = originOf(op);
    if (!llvm::is_contained(origins, origin))
      origins.push_back(origin);
  }
  inputs.insert(batch);

  Operation *place = placeOf(ops, group, inputs.getArrayRef(), outputs);
  if (!place)
    return nullptr;
  OpBuilder builder(place);
  llvm::SmallVector<llvm::StringRef> names(origins.begin(), origins.end());
  auto dispatch = kern::DispatchOp::create(builder, ops.back()->getLoc(), ValueRange(outputs).getTypes(),
                                           inputs.getArrayRef(), group.hero, names, group.fused);
  IRMapping mapping;
  for (auto [input, argument] : llvm::zip(inputs, dispatch.getBlock().getArguments()))
    mapping.map(input, argument);
  OpBuilder body = OpBuilder::atBlockEnd(&dispatch.getBlock());
  for (Operation *op : ops)
    body.clone(*op, mapping);
  llvm::SmallVector<Value> yielded;
  for (Value output : outputs)
    yielded.push_back(mapping.lookup(output));
  kern::YieldOp::create(body, dispatch.getLoc(), yielded);

  for (auto [old, fresh] : llvm::zip(outputs, dispatch.getOutputs()))
    old.replaceUsesWithIf(fresh, [&](OpOperand &use) { return !group.ops.contains(use.getOwner()); });
  for (Operation *op : llvm::reverse(ops))
    if (op->use_empty() && !group.copied.contains(op))
      op->erase();
  return dispatch;
}

} // namespace llmc
