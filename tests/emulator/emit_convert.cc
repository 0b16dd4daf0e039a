// Translation of cvt.
#include "tests/emulator/function_writer.h"

namespace llmc::emu {
namespace {

std::string roundOf(const Statement& s) {
  if (s.has("rni")) return "Round::kNearest";
  if (s.has("rzi")) return "Round::kZero";
  if (s.has("rmi")) return "Round::kDown";
  if (s.has("rpi")) return "Round::kUp";
  return "Round::kNone";
}

bool isInteger(std::string_view type) { return type[0] == 'u' || type[0] == 's'; }
bool isBytes(std::string_view type) { return type == "e4m3x2" || type == "e5m2x2"; }

/// Two f32 to a pair, pairs to bytes and back.
Text emitPairs(FunctionWriter& writer, const Statement& s, const std::string& to, const std::string& from) {
  std::string mode = std::to_string(modeOf(s)) + ">(", text;
  if (from == "f32" && s.operands.size() == 3) {
    std::string both = writer.value(s.operands[1], "b32") + ", " + writer.value(s.operands[2], "b32") + ")";
    text = (isBytes(to) ? "packBytes<" : "packPair<") + typeTag(to) + ", " + mode + both;
  } else if (isBytes(to) && (from == "f16x2" || from == "bf16x2")) {
    text = "packBytesOfHalves<" + typeTag(to) + ", " + typeTag(from) + ", " + mode +
           writer.value(s.operands[1], "b32") + ")";
  } else if (isBytes(from) && (to == "f16x2" || to == "bf16x2")) {
    text = "unpackBytes<" + typeTag(from) + ", " + typeTag(to) + ", " + mode + writer.value(s.operands[1], "b16") + ")";
  } else {
    return std::nullopt;
  }
  return writer.assign(s.operands[0], to, text);
}

/// cvt.pack.sat.s8.s32.b32 d, a, b, c: saturated a and b above the lower half of c.
Text emitPack(FunctionWriter& writer, const Statement& s) {
  if (s.op.size() < 5 || s.op[1] != "pack" || s.op[2] != "sat" || s.op[4] != "s32") return std::nullopt;
  const std::string& to = s.op[3];
  if (to != "s8" && to != "u8" && to != "s16" && to != "u16") return std::nullopt;
  bool byte = to.ends_with("8");
  auto part = [&](size_t index) {
    return "(u32)opCvt<" + to + ", s32, Round::kNone, 2>(" + writer.value(s.operands[index], "b32") + ")";
  };
  std::string text = part(1) + " << " + (byte ? "8" : "16") + " | " + part(2);
  if (byte && s.operands.size() > 3) text += " | " + writer.value(s.operands[3], "b32") + " << 16";
  return writer.assign(s.operands[0], "b32", text);
}

}  // namespace

Text emitConvert(FunctionWriter& writer, const Statement& s) {
  if (s.op[0] != "cvt" || s.op.size() < 3 || s.operands.size() < 2) return std::nullopt;
  if (s.has("pack")) return emitPack(writer, s);
  const std::string& to = s.op[s.op.size() - 2];
  const std::string& from = s.op.back();
  if (typeTag(to).empty() || typeTag(from).empty()) return std::nullopt;
  if (!partsAllowed(s, 1, 2,
                    {"rn", "rz", "rm", "rp", "rna", "rni", "rzi", "rmi", "rpi", "ftz", "sat", "satfinite", "relu"}))
    return std::nullopt;
  if (to.ends_with("x2") || from.ends_with("x2")) return emitPairs(writer, s, to, from);
  if (to == "tf32")  // ten bits of fraction stay; ties away from zero
    return writer.assign(s.operands[0], "b32", "(" + writer.value(s.operands[1], "f32") + " + 0x1000u) & ~0x1fffu");
  if (s.operands.size() != 2) return std::nullopt;
  // Between floats of one type the rounding is to an integral value only by rni and its like.
  uint32_t mode = modeOf(s);
  if (isInteger(to) && isInteger(from)) mode &= 2;
  std::string name = "opCvt<" + typeTag(to) + ", " + typeTag(from) + ", " + roundOf(s) + ", " + std::to_string(mode);
  return writer.assign(s.operands[0], to, name + ">(" + writer.value(s.operands[1], from) + ")");
}

}  // namespace llmc::emu
