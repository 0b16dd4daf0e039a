// Translation of mov, cvta, loads, stores, atomics and fences.
#include <map>

#include "tests/emulator/function_writer.h"

namespace llmc::emu {
namespace {

/// The enumerator of Space that an opcode names; generic without one.
std::string spaceOf(const Statement& s) {
  static const std::map<std::string_view, std::string> kSpaces = {
      {"global", "kGlobal"}, {"shared", "kShared"},      {"local", "kLocal"},        {"param", "kParam"},
      {"const", "kConst"},   {"shared::cta", "kShared"}, {"param::entry", "kParam"}, {"param::func", "kParam"}};
  for (size_t i = 1; i < s.op.size(); ++i)
    if (auto found = kSpaces.find(s.op[i]); found != kSpaces.end()) return "Space::" + found->second;
  return "Space::kGeneric";
}

bool isHint(std::string_view part) {
  static const char* const kHints[] = {
      "nc",          "ca",       "cg",      "cs",      "lu",      "cv",      "wb",           "wt",
      "weak",        "volatile", "relaxed", "acquire", "release", "acq_rel", "sc",           "cta",
      "gpu",         "sys",      "cluster", "global",  "shared",  "local",   "param",        "const",
      "shared::cta", "v2",       "v4",      "v8",      "unified", "noftz",   "param::entry", "param::func"};
  for (const char* hint : kHints)
    if (part == hint) return true;
  return part.starts_with("L1::") || part.starts_with("L2::");
}

/// "ld" and "st" with their vector forms.
Text emitLoadStore(FunctionWriter& writer, const Statement& s) {
  bool load = s.op[0] == "ld" || s.op[0] == "ldu";
  const std::string& type = s.op.back();
  if (typeTag(type).empty() || s.operands.size() < 2) return std::nullopt;
  for (size_t i = 1; i + 1 < s.op.size(); ++i)
    if (!isHint(s.op[i])) return std::nullopt;
  const Operand& data = s.operands[load ? 0 : 1];
  const Operand& target = s.operands[load ? 1 : 0];
  std::vector<Operand> parts = data.kind == Operand::Kind::kVector ? data.parts : std::vector<Operand>{data};
  size_t width = s.has("v8") ? 8 : s.has("v4") ? 4 : s.has("v2") ? 2 : 1;
  if (parts.size() != width) return std::nullopt;
  std::string text;
  if (load && (s.has("volatile") || s.has("relaxed") || s.has("acquire"))) text = "self->services->pause(self); ";
  text += std::string(load ? "const " : "") + "u8* m_ = place<" + spaceOf(s) + ", " +
          std::to_string(width * typeBytes(type)) + (load ? ", Access::kRead>" : ", Access::kWrite>") + "(self, " +
          writer.address(target) + ", " + writer.line() + ");";
  for (size_t i = 0; i < width; ++i) {
    std::string index = std::to_string(i);
    if (load)
      text += " " + writer.assign(parts[i], type, "loadAt<" + typeTag(type) + ">(m_, " + index + ")");
    else
      text += " storeAt<" + typeTag(type) + ">(m_, " + index + ", " + writer.value(parts[i], type) + ");";
  }
  return text;
}

/// "mov.b64 {%r1, %r2}, %rd1" and back; elements are as wide as the vector's length says.
Text emitMoveVector(FunctionWriter& writer, const Statement& s, std::string_view type) {
  bool unpack = s.operands[0].kind == Operand::Kind::kVector;
  const std::vector<Operand>& parts = s.operands[unpack ? 0 : 1].parts;
  uint32_t bits = typeBytes(type) * 8 / (uint32_t)parts.size();
  std::string element = "b" + std::to_string(bits);
  if (rawType(element).empty()) return std::nullopt;
  std::string raw = rawType(type), text;
  if (unpack) {
    text = raw + " w_ = " + writer.value(s.operands[1], type) + ";";
    for (size_t i = 0; i < parts.size(); ++i)
      if (parts[i].kind != Operand::Kind::kSink)
        text += " " +
                writer.assign(parts[i], element, "(" + rawType(element) + ")(w_ >> " + std::to_string(i * bits) + ")");
    return text;
  }
  text = "0";
  for (size_t i = 0; i < parts.size(); ++i)
    text += " | (" + raw + ")" + writer.value(parts[i], element) + " << " + std::to_string(i * bits);
  return writer.assign(s.operands[0], type, text);
}

Text emitMove(FunctionWriter& writer, const Statement& s) {
  const std::string& type = s.op.back();
  if (s.op.size() != 2 || typeTag(type).empty() || s.operands.size() != 2) return std::nullopt;
  for (const Operand& operand : s.operands)
    if (operand.kind == Operand::Kind::kVector) return emitMoveVector(writer, s, type);
  return writer.assign(s.operands[0], type, writer.value(s.operands[1], type));
}

/// Generic addresses are host addresses: only the shared window needs arithmetic.
Text emitAddressConversion(FunctionWriter& writer, const Statement& s) {
  const std::string& type = s.op.back();
  std::string source = writer.value(s.operands[1], type);
  bool shared = s.has("shared") || s.has("shared::cta");
  if (shared && s.has("to")) source = "genericToShared(self, " + source + ")";
  if (shared && !s.has("to")) source = "sharedToGeneric(self, (u32)" + source + ")";
  return writer.assign(s.operands[0], type, "(" + rawType(type) + ")" + source);
}

/// atom and red.
Text emitAtomic(FunctionWriter& writer, const Statement& s) {
  static const std::map<std::string_view, std::string> kOperations = {
      {"add", "kAdd"}, {"min", "kMin"}, {"max", "kMax"}, {"and", "kAnd"},      {"or", "kOr"},
      {"xor", "kXor"}, {"inc", "kInc"}, {"dec", "kDec"}, {"exch", "kExchange"}};
  const std::string& type = s.op.back();
  bool reduction = s.op[0] == "red";
  size_t base = reduction ? 0 : 1;
  if (typeTag(type).empty() || s.operands.size() < base + 2) return std::nullopt;
  std::string operation;
  for (size_t i = 1; i + 1 < s.op.size(); ++i) {
    auto found = kOperations.find(s.op[i]);
    if (found != kOperations.end())
      operation = found->second;
    else if (s.op[i] == "cas")
      operation = "cas";
    else if (!isHint(s.op[i]))
      return std::nullopt;
  }
  if (operation.empty()) return std::nullopt;
  std::string memory = "(self, " + writer.address(s.operands[base]) + ", " + writer.value(s.operands[base + 1], type);
  std::string text;
  if (operation == "cas")
    text = "compareAndSwap<" + spaceOf(s) + ", " + typeTag(type) + ">" + memory + ", " +
           writer.value(s.operands[base + 2], type) + ", " + writer.line() + ")";
  else
    text = "atomic<" + spaceOf(s) + ", " + typeTag(type) + ", Atomic::" + operation + ">" + memory + ", " +
           writer.line() + ")";
  return reduction ? text + ";" : writer.assign(s.operands[0], type, text);
}

}  // namespace

Text emitMemory(FunctionWriter& writer, const Statement& s) {
  const std::string& root = s.op[0];
  if (root == "ld" || root == "st" || root == "ldu") return emitLoadStore(writer, s);
  if (root == "mov") return emitMove(writer, s);
  if (root == "cvta" && s.operands.size() == 2) return emitAddressConversion(writer, s);
  if (root == "atom" || root == "red") return emitAtomic(writer, s);
  if (root == "isspacep" && s.operands.size() == 2 && (s.has("shared") || s.has("shared::cta")))
    return writer.assign(s.operands[0], "pred", "isShared(self, " + writer.value(s.operands[1], "b64") + ")");
  if (root == "fence" && s.has("proxy") && s.has("async")) return "self->services->proxyFence(self);";
  // Blocks of other OS threads see memory in order: fences of the device count in the checks alone, others and cache
  // hints have nothing to do.
  if ((root == "fence" || root == "membar") && (s.has("gpu") || s.has("gl") || s.has("sys")))
    return "self->services->access(self, nullptr, 0, Access::kAtomic, " + writer.line() + ");";
  if (root == "fence" || root == "membar" || root == "prefetch" || root == "prefetchu" || root == "discard" ||
      root == "applypriority")
    return ";";
  if (root == "createpolicy") return writer.assign(s.operands[0], "b64", "0ull");
  return std::nullopt;
}

}  // namespace llmc::emu
