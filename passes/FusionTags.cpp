// Which ops of a product's surroundings the fusion table names, and how.
#include "passes/FusionTags.h"

#include "dialects/LLM/LLMDialect.h"

namespace llmc {

using namespace mlir;

Operation *epilogueUser(Value value) {
  if (!value.hasOneUse())
    return nullptr;
  Operation *user = *value.getUsers().begin();
  if (auto glu = dyn_cast<llm::GluOp>(user))
    return glu.getInterleave() == 16 ? user : nullptr;
  return user->hasTrait<llm::Elementwise>() ? user : nullptr;
}

llvm::StringRef epilogueTag(Operation *op) {
  if (isa<llm::GluOp>(op))
    return "F4";
  return isa<llm::AddOp>(op) ? "F7" : "F9";
}

llvm::StringRef prologueTag(Operation *op) {
  if (isa<llm::AttendMergeOp>(op))
    return "F6";
  return isa<llm::SelectRowsOp>(op) ? "F8" : "F2";
}

} // namespace llmc
