// Translation of branches, calls, barriers of the block and instructions that steer the hardware only.
#include "tests/emulator/function_writer.h"

namespace llmc::emu {
namespace {

Text emitIndexedBranch(FunctionWriter& writer, const Statement& s) {
  const Statement* list = s.operands.size() == 2 ? writer.targets(s.operands[1].text) : nullptr;
  if (!list) return std::nullopt;
  std::string text = "switch (" + writer.value(s.operands[0], "u32") + ") {";
  for (size_t i = 0; i < list->targets.size(); ++i)
    text += " case " + std::to_string(i) + ": goto " + writer.label(list->targets[i]) + ";";
  return text + " default: self->services->fault(self, \"branch past its targets\", 0, " + writer.line() + "); }";
}

/// call (results), function, (parameters): pointers to their memory are passed.
Text emitCall(FunctionWriter& writer, const Statement& s) {
  std::string arguments, name;
  for (const Operand& operand : s.operands) {
    if (operand.kind == Operand::Kind::kName) name = operand.text;
    if (operand.kind != Operand::Kind::kVector) continue;
    for (const Operand& part : operand.parts) arguments += ", " + writer.memoryOf(part.text);
  }
  if (const Function* callee = writer.callee(name)) return "f_" + callee->name + "(self" + arguments + ");";
  return "self->services->fault(self, \"call of " + name + ", which is not in the module\", 0, " + writer.line() + ");";
}

/// bar and barrier: "sync", "arrive" and the reducing forms.
Text emitBarrier(FunctionWriter& writer, const Statement& s) {
  if (s.has("warp"))
    return "self->services->warp(self, WarpOp::kSync, " + writer.value(s.operands[0], "u32") + ", 0, 0, 0, " +
           writer.line() + ");";
  auto call = [&](const char* kind, size_t id, size_t count, const std::string& predicate) {
    std::string threads = count < s.operands.size() ? writer.value(s.operands[count], "u32") : "0";
    return std::string("self->services->barrier(self, BarrierKind::") + kind + ", " +
           writer.value(s.operands[id], "u32") + ", " + threads + ", " + predicate + ", " + writer.line() + ")";
  };
  if (s.op.size() > 2 && s.op[1] == "cluster" && (s.op[2] == "arrive" || s.op[2] == "wait"))
    return std::string("self->services->clusterBarrier(self, ") + (s.op[2] == "wait" ? "true" : "false") +
           (s.has("relaxed") ? ", false, " : ", true, ") + writer.line() + ");";
  if (s.op.size() < 2 || s.has("cluster")) return std::nullopt;
  if (s.has("sync")) return call("kSync", 0, 1, "0") + ";";
  if (s.has("arrive")) return call("kArrive", 0, 1, "0") + ";";
  if (!s.has("red") || s.operands.size() < 3) return std::nullopt;
  const char* kind = s.has("popc") ? "kCount" : s.has("and") ? "kAnd" : "kOr";
  bool counted = s.operands.size() == 4;
  std::string result = call(kind, 1, counted ? 2 : 99, writer.predicate(s.operands.back()));
  return writer.assign(s.operands[0], s.has("popc") ? "u32" : "pred", result);
}

}  // namespace

Text emitControl(FunctionWriter& writer, const Statement& s) {
  const std::string& root = s.op[0];
  if (root == "bra" && s.operands.size() == 1)
    return "LLMC_JUMP(" + writer.line() + "); goto " + writer.label(s.operands[0].text) + ";";
  if (root == "brx") return emitIndexedBranch(writer, s);
  if (root == "ret") return "return;";
  if (root == "exit") return "self->services->exit(self);";
  if (root == "call") return emitCall(writer, s);
  if (root == "trap") return "self->services->fault(self, \"trap\", 0, " + writer.line() + ");";
  if (root == "bar" || root == "barrier") return emitBarrier(writer, s);
  if (root == "nanosleep") return "self->services->pause(self);";
  if (root == "griddepcontrol" && s.has("wait")) return "self->early = false;";
  if (root == "setmaxnreg" || root == "griddepcontrol" || root == "brkpt" || root == "pmevent") return ";";
  return std::nullopt;
}

}  // namespace llmc::emu
