// Pass option, then module attribute, then the CPU.
#include "passes/Target.h"

namespace llmc {

using namespace mlir;

FailureOr<Target> targetOf(ModuleOp module, llvm::StringRef option) {
  llvm::StringRef name = option;
  if (auto attr = module->getAttrOfType<StringAttr>(kTargetAttr); attr && name.empty())
    name = attr.getValue();
  if (name.empty() || name == "cpu")
    return Target::Cpu;
  if (name == "cuda")
    return Target::Cuda;
  module.emitError("unknown target '") << name << "', expected cpu or cuda";
  return failure();
}

} // namespace llmc
