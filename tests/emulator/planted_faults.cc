// Mutation of PTX text, line by line.
#include "tests/emulator/planted_faults.h"

#include <functional>
#include <sstream>

namespace llmc::emu {
namespace {

/// "{a,b,c,d}" of an mma's operand A, its second list, as "{b,a,d,c}"; nothing for a matrix of one register.
std::string swapA(const std::string& line) {
  size_t open = line.find('{');
  if (open == std::string::npos) return {};
  open = line.find('{', open + 1);
  const size_t close = line.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return {};
  std::vector<std::string> parts;
  std::stringstream list(line.substr(open + 1, close - open - 1));
  for (std::string part; std::getline(list, part, ',');) parts.push_back(part.substr(part.find_first_not_of(' ')));
  if (parts.size() < 2 || parts[0] == parts[1]) return {};
  for (size_t i = 0; i + 1 < parts.size(); i += 2) std::swap(parts[i], parts[i + 1]);
  std::string text = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) text += "," + parts[i];
  return line.substr(0, open + 1) + text + line.substr(close);
}

/// Operand `index` of the instruction, from 0.
std::string operandOf(const std::string& line, size_t index) {
  size_t at = line.find_first_of("%_abcdefghijklmnopqrstuvwxyz[", line.find_first_of(" \t", line.find("mbarrier.")));
  for (; index > 0; --index) at = line.find(',', at) + 1;
  return line.substr(at, line.find_first_of(",;", at) - at);
}

/// Faults of barriers in shared memory.
std::string mutateBarrier(const std::string& line, FaultKind kind) {
  const bool arrives = line.find("mbarrier.arrive") != std::string::npos;
  const bool expects = line.find("mbarrier.arrive.expect_tx") != std::string::npos;
  if (kind == FaultKind::kNoArrival) return arrives && !expects ? "// " + line : std::string();
  if (kind == FaultKind::kNoExpected)
    return expects ? "mbarrier.arrive.shared::cta.b64 _, " + operandOf(line, 1) + ";" : std::string();
  if (kind == FaultKind::kHalfExpected) {
    const std::string bytes = expects ? operandOf(line, 2) : std::string();
    return expects ? "{ .reg .b32 half; shr.u32 half, " + bytes + ", 1; " + replaced(line, bytes + ";", "half;") + " }"
                   : std::string();
  }
  if (line.find("mbarrier.try_wait") == std::string::npos) return {};
  const std::string ended = operandOf(line, 0), parity = operandOf(line, 2);
  if (kind == FaultKind::kNoPhase) return "setp.eq.u32 " + ended + ", 0, 0;";
  return "{ .reg .b32 other; xor.b32 other, " + parity + ", 1; " + replaced(line, parity + ";", " other;") + " }";
}

/// The line with the fault; empty where it cannot be planted.
std::string mutate(const std::string& line, FaultKind kind) {
  switch (kind) {
    case FaultKind::kMissingBarrier: {
      for (const char* barrier : {"bar.sync", "bar.warp.sync", "barrier.cluster"})
        if (line.find(barrier) != std::string::npos) return "// " + line;
      return {};
    }
    case FaultKind::kShortWait: {
      const size_t at = line.find("cp.async.wait_group");
      if (at == std::string::npos) return {};
      const int pending = std::atoi(line.c_str() + at + 19);
      return "cp.async.wait_group " + std::to_string(pending + 1) + ";";
    }
    case FaultKind::kSwappedOperand:
      return line.find("mma.sync") == std::string::npos ? std::string() : swapA(line);
    case FaultKind::kTransposed: {
      if (line.find("ldmatrix") == std::string::npos) return {};
      std::string with = replaced(line, ".trans", "");
      return with.empty() ? replaced(line, ".shared", ".trans.shared") : with;
    }
    case FaultKind::kShortProducts: {
      const size_t at = line.find("wgmma.wait_group.sync.aligned");
      if (at == std::string::npos) return {};
      return "wgmma.wait_group.sync.aligned " + std::to_string(std::atoi(line.c_str() + at + 29) + 1) + ";";
    }
    case FaultKind::kNoProxyFence:
      return line.find("fence.proxy.async") == std::string::npos ? std::string() : "// " + line;
    case FaultKind::kNoGridWait:
      return line.find("griddepcontrol.wait") == std::string::npos ? std::string() : "// " + line;
    case FaultKind::kNoDeviceFence:
      return line.find("fence.acq_rel.gpu") == std::string::npos ? std::string() : "// " + line;
    case FaultKind::kOwnBlock: {
      const size_t at = line.find("mapa.shared::cluster.u32");
      if (at == std::string::npos) return {};
      const size_t first = line.find(',', at), second = line.find(',', first + 1);
      return "mov.u32" + line.substr(at + 24, second - at - 24) + ";";
    }
    case FaultKind::kOneBlock: {
      if (line.find(".multicast::cluster") == std::string::npos) return {};
      return line.substr(0, line.rfind(',')) + ", 1;";
    }
    default:
      return mutateBarrier(line, kind);
  }
  return {};
}

}  // namespace

const char* nameOf(FaultKind kind) {
  switch (kind) {
    case FaultKind::kMissingBarrier:
      return "a missing barrier";
    case FaultKind::kShortWait:
      return "a wait too few";
    case FaultKind::kSwappedOperand:
      return "a swapped operand";
    case FaultKind::kTransposed:
      return "a transposed matrix";
    case FaultKind::kShortProducts:
      return "a wait for products too few";
    case FaultKind::kNoPhase:
      return "a barrier not waited for";
    case FaultKind::kWrongParity:
      return "a wait for the other phase";
    case FaultKind::kNoExpected:
      return "bytes not expected";
    case FaultKind::kNoArrival:
      return "a missing arrival";
    case FaultKind::kNoProxyFence:
      return "a missing proxy fence";
    case FaultKind::kNoGridWait:
      return "the kernel before not waited for";
    case FaultKind::kNoDeviceFence:
      return "a missing device fence";
    case FaultKind::kOwnBlock:
      return "an arrival at home";
    case FaultKind::kOneBlock:
      return "a copy to one block";
    case FaultKind::kHalfExpected:
      return "half of the bytes expected";
    case FaultKind::kEarlySums:
      return "sums read before their wait";
  }
  return "";
}

std::string replaced(const std::string& text, const std::string& from, const std::string& to, size_t index) {
  size_t at = text.find(from);
  for (; index > 0 && at != std::string::npos; --index) at = text.find(from, at + 1);
  return at == std::string::npos ? std::string() : text.substr(0, at) + to + text.substr(at + from.size());
}

namespace {

/// Calls `visit(number, line)` for each line, from 1.
void forLines(const std::string& text, const std::function<void(unsigned, const std::string&)>& visit) {
  size_t begin = 0;
  for (unsigned number = 1; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    visit(number, text.substr(begin, end - begin));
    begin = end + 1;
  }
}

}  // namespace

/// Before each wait a copy of the first sum of the product above it.
static std::vector<Mutant> earlySums(const std::string& ptx) {
  std::vector<Mutant> found;
  std::string sum;
  forLines(ptx, [&](unsigned number, const std::string& line) {
    const size_t open = line.find('{');
    if (line.find("wgmma.mma_async") != std::string::npos && open != std::string::npos)
      sum = line.substr(open + 1, line.find(',', open) - open - 1);
    if (line.find("wgmma.wait_group") != std::string::npos && !sum.empty())
      found.push_back({number, "{ .reg .b32 early; mov.b32 early, " + sum + "; } " + line.substr(0, line.find("//"))});
  });
  return found;
}

std::vector<Mutant> mutants(const std::string& ptx, FaultKind kind) {
  if (kind == FaultKind::kEarlySums) return earlySums(ptx);
  std::vector<Mutant> found;
  forLines(ptx, [&](unsigned number, const std::string& line) {
    if (std::string changed = mutate(line, kind); !changed.empty()) found.push_back({number, std::move(changed)});
  });
  return found;
}

/// Each line with faults becomes a block that branches to one of them, or to the line itself. Lines keep their numbers.
std::string withVariants(const std::string& ptx, const std::vector<Mutant>& faults) {
  std::string result;
  forLines(ptx, [&](unsigned number, const std::string& whole) {
    const std::string line = whole.substr(0, whole.find("//"));
    std::string choices, changed;
    for (size_t i = 0; i < faults.size(); ++i) {
      if (faults[i].line != number) continue;
      const std::string name = std::to_string(i + 1), label = "VARIANT_" + name;
      choices += "setp.eq.u32 chosen, %emu_variant, " + name + "; @chosen bra " + label + "; ";
      // A fault that is a comment leaves nothing.
      changed += label + ": " + (faults[i].text.starts_with("//") ? "" : faults[i].text) + " bra SAME; ";
    }
    if (choices.empty())
      result += line + "\n";
    else
      result += "{ .reg .pred chosen; " + choices + line + " bra SAME; " + changed + "SAME: }\n";
  });
  return result;
}

}  // namespace llmc::emu
