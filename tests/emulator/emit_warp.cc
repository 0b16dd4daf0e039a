// Translation of what the lanes of a warp do together: shuffles, votes, matches and reductions.
#include <map>

#include "tests/emulator/function_writer.h"

namespace llmc::emu {
namespace {

std::string warpCall(const FunctionWriter& writer, const std::string& operation, const std::string& mask,
                     const std::string& arguments) {
  return "self->services->warp(self, WarpOp::" + operation + ", " + mask + ", " + arguments + ", " + writer.line() +
         ")";
}

/// "d" or "d|p": the second result is the predicate that the emulator leaves in the thread.
std::string assignBoth(FunctionWriter& writer, const Operand& target, std::string_view type, const std::string& call) {
  if (target.kind != Operand::Kind::kPair) return writer.assign(target, type, call);
  return "u32 w_ = " + call + "; " + writer.assign(target.parts[0], type, "w_") + " " +
         writer.assign(target.parts[1], "pred", "(self->predicate != 0)");
}

Text emitShuffle(FunctionWriter& writer, const Statement& s) {
  static const std::map<std::string_view, std::string> kModes = {
      {"idx", "kShuffleIdx"}, {"up", "kShuffleUp"}, {"down", "kShuffleDown"}, {"bfly", "kShuffleButterfly"}};
  if (s.op.size() != 4 || s.op[1] != "sync" || s.operands.size() != 5) return std::nullopt;
  auto mode = kModes.find(s.op[2]);
  if (mode == kModes.end()) return std::nullopt;
  std::string arguments = writer.value(s.operands[1], "b32") + ", " + writer.value(s.operands[2], "u32") + ", " +
                          writer.value(s.operands[3], "u32");
  return assignBoth(writer, s.operands[0], "b32",
                    warpCall(writer, mode->second, writer.value(s.operands[4], "u32"), arguments));
}

Text emitVote(FunctionWriter& writer, const Statement& s) {
  static const std::map<std::string_view, std::string> kModes = {
      {"all", "kVoteAll"}, {"any", "kVoteAny"}, {"uni", "kVoteUniform"}, {"ballot", "kBallot"}};
  if (s.op.size() != 4 || s.operands.size() != 3) return std::nullopt;
  auto mode = kModes.find(s.op[2]);
  if (mode == kModes.end()) return std::nullopt;
  std::string call =
      warpCall(writer, mode->second, writer.value(s.operands[2], "u32"), writer.predicate(s.operands[1]) + ", 0, 0");
  bool ballot = s.op[2] == "ballot";
  return writer.assign(s.operands[0], ballot ? "b32" : "pred", ballot ? call : "(" + call + " != 0)");
}

Text emitReduction(FunctionWriter& writer, const Statement& s) {
  if (s.op.size() < 4 || s.operands.size() != 3) return std::nullopt;
  const std::string& type = s.op.back();
  static const std::map<std::string_view, std::string> kOperations = {
      {"add", "kAdd"}, {"and", "kAnd"}, {"or", "kOr"}, {"xor", "kXor"}, {"min", "kMin"}, {"max", "kMax"}};
  auto found = kOperations.find(s.op[2]);
  if (found == kOperations.end() || s.op.size() != 4) return std::nullopt;
  std::string operation = found->second;
  if (operation == "kMin" || operation == "kMax")
    operation += type == "s32" ? "Signed" : type == "u32" ? "Unsigned" : "Float";
  return writer.assign(
      s.operands[0], "b32",
      warpCall(writer, operation, writer.value(s.operands[2], "u32"), writer.value(s.operands[1], "b32") + ", 0, 0"));
}

}  // namespace

Text emitWarp(FunctionWriter& writer, const Statement& s) {
  const std::string& root = s.op[0];
  if (root == "shfl") return emitShuffle(writer, s);
  if (root == "vote") return emitVote(writer, s);
  if (root == "redux") return emitReduction(writer, s);
  if (root == "activemask") return writer.assign(s.operands[0], "b32", "self->services->active(self)");
  if (root == "match" && s.op.size() == 4 && s.op[3] == "b32")
    return assignBoth(writer, s.operands[0], "b32",
                      warpCall(writer, s.op[1] == "all" ? "kMatchAll" : "kMatchAny", writer.value(s.operands[2], "u32"),
                               writer.value(s.operands[1], "b32") + ", 0, 0"));
  if (root == "elect")
    return assignBoth(writer, s.operands[0], "b32",
                      warpCall(writer, "kElect", writer.value(s.operands[1], "u32"), "0, 0, 0"));
  return std::nullopt;
}

}  // namespace llmc::emu
