// Translation of arithmetic, comparisons, selections and bit operations.
#include <map>

#include "tests/emulator/function_writer.h"

namespace llmc::emu {
namespace {

/// An instruction whose operands all have the type of its last part (k: u32, p: predicate, t: the type).
struct Rule {
  const char* function;
  const char* operands;  ///< of the sources, one letter each
  const char* result;    ///< PTX type of the result, or null: the instruction's type
};

const std::map<std::string_view, Rule>& rules() {
  static const std::map<std::string_view, Rule> kRules = {
      {"add", {"opAdd", "tt", nullptr}},
      {"sub", {"opSub", "tt", nullptr}},
      {"div", {"opDiv", "tt", nullptr}},
      {"rem", {"opRem", "tt", nullptr}},
      {"fma", {"opFma", "ttt", nullptr}},
      {"min", {"opMin", "tt", nullptr}},
      {"max", {"opMax", "tt", nullptr}},
      {"neg", {"opNeg", "t", nullptr}},
      {"abs", {"opAbs", "t", nullptr}},
      {"and", {"opAnd", "tt", nullptr}},
      {"or", {"opOr", "tt", nullptr}},
      {"xor", {"opXor", "tt", nullptr}},
      {"not", {"opNot", "t", nullptr}},
      {"cnot", {"opCnot", "t", nullptr}},
      {"shl", {"opShl", "tk", nullptr}},
      {"shr", {"opShr", "tk", nullptr}},
      {"sqrt", {"opSqrt", "t", nullptr}},
      {"rsqrt", {"opRsqrt", "t", nullptr}},
      {"rcp", {"opRcp", "t", nullptr}},
      {"ex2", {"opEx2", "t", nullptr}},
      {"lg2", {"opLg2", "t", nullptr}},
      {"sin", {"opSin", "t", nullptr}},
      {"cos", {"opCos", "t", nullptr}},
      {"tanh", {"opTanh", "t", nullptr}},
      {"copysign", {"opCopysign", "tt", nullptr}},
      {"popc", {"opPopc", "t", "u32"}},
      {"clz", {"opClz", "t", "u32"}},
      {"brev", {"opBrev", "t", nullptr}},
      {"bfe", {"opBfe", "tkk", nullptr}},
      {"bfi", {"opBfi", "ttkk", nullptr}},
      {"lop3", {"opLop3", "tttk", nullptr}},
      {"selp", {"opSelp", "ttp", nullptr}},
      {"sad", {"opSad", "ttt", nullptr}},
  };
  return kRules;
}

std::string arguments(FunctionWriter& writer, const Statement& s, const char* letters, std::string_view type) {
  std::string text;
  size_t index = 1;
  for (const char* letter = letters; *letter; ++letter, ++index) {
    if (index >= s.operands.size()) {
      writer.refuse("an operand is missing");
      return text;
    }
    const Operand& operand = s.operands[index];
    text += (index > 1 ? ", " : "") + (*letter == 'p'   ? writer.predicate(operand)
                                       : *letter == 'k' ? writer.value(operand, "u32")
                                                        : writer.value(operand, type));
  }
  return text;
}

std::string callText(FunctionWriter& writer, const Statement& s, const std::string& function, const char* letters,
                     std::string_view type, std::string_view result) {
  std::string name = function + "<" + typeTag(type) + ", " + std::to_string(modeOf(s)) + ">";
  return writer.assign(s.operands[0], result, name + "(" + arguments(writer, s, letters, type) + ")");
}

/// mul and mad of integers name the half of the product that they want.
Text emitProduct(FunctionWriter& writer, const Statement& s, std::string_view type) {
  bool mad = s.op[0] == "mad", integer = type[0] != 'f' && type[0] != 'b';
  if (!partsAllowed(s, 1, 1, {"lo", "hi", "wide", "rn", "rz", "rm", "rp", "ftz", "sat"})) return std::nullopt;
  const char* letters = mad ? "ttt" : "tt";
  if (!integer || s.has("lo")) return callText(writer, s, mad ? "opMad" : "opMul", letters, type, type);
  if (s.has("hi")) return callText(writer, s, mad ? "opMadHigh" : "opMulHigh", letters, type, type);
  if (!s.has("wide")) return std::nullopt;
  std::string wide = std::string(1, type[0]) + (type.ends_with("16") ? "32" : "64");
  std::string text = std::string(mad ? "opMadWide<" : "opMulWide<") + typeTag(type) + ", 0>(" +
                     writer.value(s.operands[1], type) + ", " + writer.value(s.operands[2], type);
  if (mad) text += ", " + writer.value(s.operands[3], wide);
  return writer.assign(s.operands[0], wide, text + ")");
}

/// setp and set: a comparison, and a predicate that it may be combined with.
Text emitCompare(FunctionWriter& writer, const Statement& s, std::string_view type) {
  static const std::map<std::string_view, std::string> kNames = {
      {"eq", "kEq"},   {"ne", "kNe"},   {"lt", "kLt"},   {"le", "kLe"},   {"gt", "kGt"},   {"ge", "kGe"},
      {"lo", "kLt"},   {"ls", "kLe"},   {"hi", "kGt"},   {"hs", "kGe"},   {"equ", "kEqu"}, {"neu", "kNeu"},
      {"ltu", "kLtu"}, {"leu", "kLeu"}, {"gtu", "kGtu"}, {"geu", "kGeu"}, {"num", "kNum"}, {"nan", "kNan"}};
  static const std::map<std::string_view, std::string> kCombine = {{"and", " & "}, {"or", " | "}, {"xor", " ^ "}};
  auto name = kNames.find(s.op[1]);
  if (name == kNames.end() || type.ends_with("x2")) return std::nullopt;
  bool set = s.op[0] == "set";
  if (!partsAllowed(s, 2, set ? 2 : 1, {"and", "or", "xor", "ftz"})) return std::nullopt;
  std::string test = "compare<" + typeTag(type) + ", " + std::to_string(modeOf(s)) + ", Compare::" + name->second +
                     ">(" + writer.value(s.operands[1], type) + ", " + writer.value(s.operands[2], type) + ")";
  std::string combine;
  for (const auto& [part, symbol] : kCombine)
    if (s.has(part)) combine = symbol + writer.predicate(s.operands[3]);
  if (set) {
    const std::string& result = s.op[s.op.size() - 2];
    std::string yes = result == "f32" ? "0x3f800000u" : "(" + rawType(result) + ")~0ull";
    return writer.assign(s.operands[0], result, "(" + test + combine + ") ? " + yes + " : 0");
  }
  if (s.operands[0].kind != Operand::Kind::kPair) return writer.assign(s.operands[0], "pred", test + combine);
  return "bool c_ = " + test + "; " + writer.assign(s.operands[0].parts[0], "pred", "c_" + combine) + " " +
         writer.assign(s.operands[0].parts[1], "pred", "!c_" + combine);
}

Text emitPermute(FunctionWriter& writer, const Statement& s) {
  static const std::map<std::string_view, std::string> kModes = {
      {"b32", "kIndex"},    {"f4e", "kForward4"},  {"b4e", "kBackward4"},   {"rc8", "kReplicate8"},
      {"ecl", "kEdgeLeft"}, {"ecr", "kEdgeRight"}, {"rc16", "kReplicate16"}};
  auto mode = kModes.find(s.op.back());
  if (mode == kModes.end()) return std::nullopt;
  return writer.assign(s.operands[0], "b32",
                       "opPrmt<Permute::" + mode->second + ">(" + arguments(writer, s, "ttt", "b32") + ")");
}

/// Instructions whose function depends on more than one type.
Text emitPacked(FunctionWriter& writer, const Statement& s) {
  const std::string& root = s.op[0];
  std::string function;
  if (root == "shf") {
    function =
        std::string("funnelShift<") + (s.has("l") ? "true" : "false") + (s.has("clamp") ? ", true>" : ", false>");
  } else if (root == "dp4a") {
    function = std::string("dotBytes<") + (s.op[1] == "s32" ? "s8" : "u8") + (s.op[2] == "s32" ? ", s8>" : ", u8>");
  } else if (root == "dp2a" && s.op.size() == 4) {
    function = std::string("dotHalves<") + (s.op[2] == "s32" ? "s16" : "u16") + (s.op[3] == "s32" ? ", s8" : ", u8") +
               (s.has("hi") ? ", true>" : ", false>");
  } else {
    return std::nullopt;
  }
  return writer.assign(s.operands[0], "b32", function + "(" + arguments(writer, s, "ttt", "b32") + ")");
}

Text emitSpecial(FunctionWriter& writer, const Statement& s, std::string_view type) {
  const std::string& root = s.op[0];
  if (root == "prmt") return emitPermute(writer, s);
  if (root == "shf" || root == "dp4a" || root == "dp2a") return emitPacked(writer, s);
  if (root == "mul24" && s.has("lo")) return callText(writer, s, "opMul24", "tt", type, type);
  if (root == "bfind") {
    std::string name = "findBit<" + typeTag(type) + ", 0, " + (s.has("shiftamt") ? "true" : "false") + ">";
    return writer.assign(s.operands[0], "u32", name + "(" + writer.value(s.operands[1], type) + ")");
  }
  if (root == "testp") {
    static const std::map<std::string_view, std::string> kNames = {{"finite", "kFinite"}, {"infinite", "kInfinite"},
                                                                   {"number", "kNumber"}, {"notanumber", "kNotANumber"},
                                                                   {"normal", "kNormal"}, {"subnormal", "kSubnormal"}};
    auto name = kNames.find(s.op[1]);
    if (name == kNames.end()) return std::nullopt;
    return writer.assign(s.operands[0], "pred",
                         "testProperty<" + typeTag(type) + ", Property::" + name->second + ">(" +
                             writer.value(s.operands[1], type) + ")");
  }
  return std::nullopt;
}

}  // namespace

Text emitArithmetic(FunctionWriter& writer, const Statement& s) {
  if (s.op.size() < 2 || s.operands.size() < 2) return std::nullopt;
  std::string_view type = s.op.back();
  if (s.op[0] == "prmt") return emitPermute(writer, s);
  if (typeTag(type).empty()) return std::nullopt;
  if (s.op[0] == "mul" || s.op[0] == "mad") return emitProduct(writer, s, type);
  if (s.op[0] == "setp" || s.op[0] == "set") return emitCompare(writer, s, type);
  auto rule = rules().find(s.op[0]);
  if (rule == rules().end()) return emitSpecial(writer, s, type);
  if (!partsAllowed(s, 1, 1, {"rn", "rz", "rm", "rp", "ftz", "sat", "NaN", "relu", "approx", "full"}))
    return std::nullopt;
  std::string letters = rule->second.operands;
  if ((s.op[0] == "min" || s.op[0] == "max") && s.operands.size() == 4) letters = "ttt";
  if (letters.size() + 1 != s.operands.size()) return std::nullopt;
  return callText(writer, s, rule->second.function, letters.c_str(), type,
                  rule->second.result ? rule->second.result : type);
}

}  // namespace llmc::emu
