// Translation of the tensor cores' instructions: ldmatrix, stmatrix, mma.sync and wgmma.
#include <map>

#include "tests/emulator/function_writer.h"

namespace llmc::emu {
namespace {

const std::map<std::string_view, std::string>& elements() {
  static const std::map<std::string_view, std::string> kElements = {
      {"f16", "kF16"}, {"bf16", "kBf16"}, {"tf32", "kTf32"}, {"f32", "kF32"}, {"s8", "kS8"}, {"u8", "kU8"},
      {"s32", "kS32"}, {"e4m3", "kE4m3"}, {"e5m2", "kE5m2"}, {"s4", "kS4"},   {"u4", "kU4"}};
  return kElements;
}

std::string array(FunctionWriter& writer, const char* name, const Operand& list) {
  std::string text = std::string("u32 ") + name + "[] = {";
  for (size_t i = 0; i < list.parts.size(); ++i) text += (i ? ", " : "") + writer.value(list.parts[i], "b32");
  return text + "}; ";
}

/// Where registers are: the product reads and writes them when its warpgroup has met.
std::string places(FunctionWriter& writer, const char* name, const Operand& list) {
  std::string text = std::string("u32* ") + name + "[] = {";
  for (size_t i = 0; i < list.parts.size(); ++i) text += (i ? ", &" : "&") + writer.reg(list.parts[i].text);
  return text + "}; ";
}

std::string unpack(FunctionWriter& writer, const char* name, const Operand& list) {
  std::string text;
  for (size_t i = 0; i < list.parts.size(); ++i)
    text += writer.assign(list.parts[i], "b32", std::string(name) + "[" + std::to_string(i) + "]") + " ";
  return text;
}

/// {m, n, k} of "m16n8k16".
bool shapeOf(std::string_view text, unsigned (&shape)[3]) {
  return std::sscanf(std::string(text).c_str(), "m%un%uk%u", &shape[0], &shape[1], &shape[2]) == 3;
}

Text emitMatrixCopy(FunctionWriter& writer, const Statement& s) {
  if (!partsAllowed(s, 1, 1, {"sync", "aligned", "m8n8", "x1", "x2", "x4", "trans", "shared", "shared::cta"}) ||
      s.op.back() != "b16" || s.operands.size() != 2)
    return std::nullopt;
  bool load = s.op[0] == "ldmatrix";
  const Operand& list = s.operands[load ? 0 : 1];
  size_t count = s.has("x4") ? 4 : s.has("x2") ? 2 : 1;
  if (list.parts.size() != count) return std::nullopt;
  std::string tail = std::to_string(count) + (s.has("trans") ? ", true, (u32)" : ", false, (u32)") +
                     writer.address(s.operands[load ? 1 : 0]) + ", " + writer.line() + "); ";
  if (load) return "u32 d_[4]; self->services->loadMatrix(self, d_, " + tail + unpack(writer, "d_", list);
  return array(writer, "a_", list) + "self->services->storeMatrix(self, a_, " + tail;
}

Text emitMma(FunctionWriter& writer, const Statement& s) {
  // mma.sync.aligned.m16n8k16.row.col{.satfinite}.d.a.b.c
  unsigned shape[3];
  if (s.op.size() < 10 || s.op[1] != "sync" || !shapeOf(s.op[3], shape) || s.op[4] != "row" || s.op[5] != "col" ||
      !partsAllowed(s, 6, 4, {"satfinite"}) || s.operands.size() != 4)
    return std::nullopt;
  if (shape[0] != 16 || shape[1] != 8) return std::nullopt;
  std::string types;
  for (size_t i = s.op.size() - 4; i < s.op.size(); ++i) {
    auto found = elements().find(s.op[i]);
    if (found == elements().end()) return std::nullopt;
    types += ", Element::" + found->second;
  }
  std::string text = "static const MmaShape k_ = {16, 8, " + std::to_string(shape[2]) + types + "}; u32 d_[4]; ";
  text += array(writer, "a_", s.operands[1]) + array(writer, "b_", s.operands[2]) + array(writer, "c_", s.operands[3]);
  return text + "self->services->mma(self, &k_, d_, a_, b_, c_, " + writer.line() + "); " +
         unpack(writer, "d_", s.operands[0]);
}

/// wgmma.mma_async.sync.aligned.m64nNk16.d.a.b {d}, a, b, p, scale-a, scale-b, trans-a, trans-b
Text emitWarpgroupMma(FunctionWriter& writer, const Statement& s) {
  unsigned shape[3];
  if (s.op.size() != 8 || !shapeOf(s.op[4], shape) || shape[0] != 64 || s.operands.size() < 4) return std::nullopt;
  std::string types;
  for (size_t i = 5; i < 8; ++i) {
    auto found = elements().find(s.op[i]);
    if (found == elements().end()) return std::nullopt;
    types += ", Element::" + found->second;
  }
  bool registers = s.operands[1].kind == Operand::Kind::kVector;
  auto number = [&](size_t index, const char* absent) {
    if (index >= s.operands.size()) return std::string(absent);
    return std::string(s.operands[index].negated ? "-" : "") + s.operands[index].text;
  };
  std::string transposes = registers ? "0, " + number(6, "0") : number(6, "0") + ", " + number(7, "0");
  std::string text = "static const WgmmaShape k_ = {" + std::to_string(shape[1]) + ", " + std::to_string(shape[2]) +
                     types + ", " + number(4, "1") + ", " + number(5, "1") + ", " + transposes +
                     (registers ? ", true}; " : ", false}; ");
  text += places(writer, "d_", s.operands[0]);
  if (registers) text += places(writer, "a_", s.operands[1]);
  return text + "self->services->wgmma(self, &k_, d_, " +
         (registers ? "a_, 0" : "nullptr, " + writer.value(s.operands[1], "b64")) + ", " +
         writer.value(s.operands[2], "b64") + ", " + writer.predicate(s.operands[3]) + ", " + writer.line() + ");";
}

}  // namespace

Text emitMatrix(FunctionWriter& writer, const Statement& s) {
  const std::string& root = s.op[0];
  if (root == "ldmatrix" || root == "stmatrix") return emitMatrixCopy(writer, s);
  if (root == "mma") return emitMma(writer, s);
  if (root != "wgmma" || s.op.size() < 2) return std::nullopt;
  if (s.op[1] == "mma_async") return emitWarpgroupMma(writer, s);
  if (s.op[1] == "fence") return ";";
  if (s.op[1] == "commit_group") return "self->services->wgmmaCommit(self, " + writer.line() + ");";
  if (s.op[1] == "wait_group")
    return "self->services->wgmmaWait(self, " + writer.value(s.operands[0], "u32") + ", " + writer.line() + ");";
  return std::nullopt;
}

}  // namespace llmc::emu
