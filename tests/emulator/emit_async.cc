// Translation of asynchronous copies and mbarriers.
#include "tests/emulator/function_writer.h"

namespace llmc::emu {
namespace {

std::string shared(FunctionWriter& writer, const Operand& address) { return "(u32)" + writer.address(address); }

/// cp.async.bulk: whole rows of bytes, or boxes of a tensor map.
Text emitBulk(FunctionWriter& writer, const Statement& s) {
  if (s.op[3] == "commit_group" || s.op[3] == "wait_group") return ";";
  if (s.op[3] == "prefetch") return ";";
  if (!s.has("mbarrier::complete_tx::bytes")) return std::nullopt;
  if (s.op[3] != "tensor") {
    const bool multicast = s.has("multicast::cluster");
    if (s.operands.size() != (multicast ? 5 : 4)) return std::nullopt;
    return std::string("self->services->") + (multicast ? "bulkMulticast" : "bulkCopy") + "(self, " +
           shared(writer, s.operands[0]) + ", " + writer.address(s.operands[1]) + ", " +
           writer.value(s.operands[2], "u32") + ", " + shared(writer, s.operands[3]) +
           (multicast ? ", " + writer.value(s.operands[4], "u16") : "") + ", " + writer.line() + ");";
  }
  const Operand& source = s.operands[1];
  if (source.parts.size() != 2 || !partsAllowed(s, 5, 0,
                                                {"shared::cluster", "shared::cta", "global", "tile",
                                                 "mbarrier::complete_tx::bytes", "L2::cache_hint"}))
    return std::nullopt;
  std::string text = "s32 x_[] = {";
  for (size_t i = 0; i < source.parts[1].parts.size(); ++i)
    text += (i ? ", (s32)" : "(s32)") + writer.value(source.parts[1].parts[i], "s32");
  return text + "}; self->services->bulkTensor(self, " + shared(writer, s.operands[0]) + ", " +
         writer.value(source.parts[0], "b64") + ", x_, " + std::to_string(source.parts[1].parts.size()) + ", " +
         shared(writer, s.operands[2]) + ", " + writer.line() + ");";
}

Text emitCopy(FunctionWriter& writer, const Statement& s) {
  if (s.op.size() < 3 || s.op[1] != "async") return std::nullopt;
  if (s.op[2] == "bulk" && s.op.size() > 3) return emitBulk(writer, s);
  if (s.op[2] == "commit_group") return "self->services->copyCommit(self);";
  if (s.op[2] == "wait_group") return "self->services->copyWait(self, " + writer.value(s.operands[0], "u32") + ");";
  if (s.op[2] == "wait_all") return "self->services->copyCommit(self); self->services->copyWait(self, 0);";
  if (s.op[2] == "mbarrier")
    return "self->services->copyArrive(self, " + shared(writer, s.operands[0]) +
           (s.has("noinc") ? ", false, " : ", true, ") + writer.line() + ");";
  if ((s.op[2] != "ca" && s.op[2] != "cg") || s.operands.size() < 3) return std::nullopt;
  std::string bytes = writer.value(s.operands[2], "u32"), source = bytes;
  if (s.operands.size() > 3) {
    const Operand& last = s.operands[3];
    std::string type = writer.regType(last.text);
    if (type == "pred")
      source = writer.predicate(last) + " ? 0 : " + bytes;
    else if (type != "b64" && type != "u64")
      source = writer.value(last, "u32");
  }
  return "self->services->copyAsync(self, " + shared(writer, s.operands[0]) + ", " + writer.address(s.operands[1]) +
         ", " + bytes + ", " + source + ", " + writer.line() + ");";
}

Text emitArrive(FunctionWriter& writer, const Statement& s) {
  bool expect = s.has("expect_tx");
  const Operand& state = s.operands[0];
  std::string last = s.operands.size() > 2 ? writer.value(s.operands[2], "u32") : "1u";
  const char* arrive = s.has("shared::cluster") ? "clusterArrive" : "mbarrierArrive";
  return writer.assign(state, "b64",
                       std::string("self->services->") + arrive + "(self, " + shared(writer, s.operands[1]) +
                           (expect ? ", 1, " + last : ", " + last + ", 0") + ", " + writer.line() + ")");
}

Text emitMbarrier(FunctionWriter& writer, const Statement& s) {
  const std::string& what = s.op[1];
  if (what == "init")
    return "self->services->mbarrierInit(self, " + shared(writer, s.operands[0]) + ", " +
           writer.value(s.operands[1], "u32") + ", " + writer.line() + ");";
  if (what == "inval") return ";";
  if (what == "arrive" && s.operands.size() >= 2) return emitArrive(writer, s);
  if (what == "expect_tx")
    return "self->services->mbarrierExpect(self, " + shared(writer, s.operands[0]) + ", " +
           writer.value(s.operands[1], "u32") + ", " + writer.line() + ");";
  if (what == "test_wait" || what == "try_wait")
    return writer.assign(s.operands[0], "pred",
                         "(self->services->mbarrierWait(self, " + shared(writer, s.operands[1]) + ", (u32)" +
                             writer.value(s.operands[2], s.has("parity") ? "u32" : "b64") +
                             (what == "try_wait" ? ", true, " : ", false, ") + writer.line() + ") != 0)");
  return std::nullopt;
}

}  // namespace

Text emitAsync(FunctionWriter& writer, const Statement& s) {
  if (s.op[0] == "cp") return emitCopy(writer, s);
  if (s.op[0] == "mbarrier" && s.op.size() > 1) return emitMbarrier(writer, s);
  if (s.op[0] == "mapa" && s.has("shared::cluster") && s.op.back() == "u32" && s.operands.size() == 3)
    return writer.assign(s.operands[0], "u32",
                         "self->services->clusterAddress(self, " + writer.value(s.operands[1], "u32") + ", " +
                             writer.value(s.operands[2], "u32") + ", " + writer.line() + ")");
  return std::nullopt;
}

}  // namespace llmc::emu
