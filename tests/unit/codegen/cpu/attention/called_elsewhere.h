// Whether a kernel's code is complete.
#pragma once

#include "llvm/ADT/StringExtras.h"
#include <string>

namespace llmc {

/// A function that the code calls and does not hold; empty: there is none.
inline std::string calledElsewhere(const std::string &assembly) {
  for (llvm::StringRef line : llvm::split(assembly, '\n')) {
    auto [instruction, operand] = line.trim().split('\t');
    if (instruction.starts_with("call") && assembly.find(("\n" + operand + ":").str()) == std::string::npos)
      return operand.str();
  }
  return "";
}

} // namespace llmc
