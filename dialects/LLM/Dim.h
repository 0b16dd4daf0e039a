// One dimension of an activation: T (tokens of this step), S (rows whose logits are wanted), or a number.
#pragma once

#include "llvm/ADT/Hashing.h"

#include <cstdint>

namespace llmc::llm {

/// T and S are the only dynamic dimensions there are. The default is the number 0, which no type accepts.
struct Dim {
  int64_t value = 0;  // >= 0: that number; kTokens, kRows: dynamic

  static constexpr int64_t kTokens = -1;
  static constexpr int64_t kRows = -2;
  static constexpr Dim T() { return Dim{kTokens}; }
  static constexpr Dim S() { return Dim{kRows}; }
  static constexpr Dim fixed(int64_t n) { return Dim{n}; }

  bool isT() const { return value == kTokens; }
  bool isS() const { return value == kRows; }
  bool isFixed() const { return value >= 0; }

  friend bool operator==(Dim a, Dim b) { return a.value == b.value; }
  friend bool operator!=(Dim a, Dim b) { return a.value != b.value; }
  friend ::llvm::hash_code hash_value(Dim d) { return ::llvm::hash_value(d.value); }
};

}  // namespace llmc::llm
