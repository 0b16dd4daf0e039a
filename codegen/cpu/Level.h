// The CPU instruction-set levels that an engine can hold code for, and what the generator may use on each.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace llmc {

/// One level. `name` is what users type and what the engine stores; ascending order of cpuLevels() is order of
/// preference.
struct Level {
  llvm::StringRef name;     ///< "x86-64-v4-vnni"
  llvm::StringRef cpu;      ///< LLVM target-cpu
  llvm::StringRef features; ///< LLVM target-features added to the cpu's own
  bool avx512;              ///< 512-bit vectors and 32 registers; else 256-bit and 16
  bool vnni;                ///< vpdpbusd (256-bit on v3, 512-bit on v4)
  bool bf16;                ///< vdpbf16ps
  bool fullWidth;           ///< data paths of 512 bits: twice the products of a cycle, but not twice the loads (Zen 5)

  /// Whether the same instructions may be used: code then differs only where a table says so (sameCode() in
  /// KernelEmitter.h).
  bool sameInstructions(const Level &other) const {
    return cpu == other.cpu && features == other.features && avx512 == other.avx512 && vnni == other.vnni &&
           bf16 == other.bf16;
  }

  /// Bytes of one register: 64 or 32.
  int64_t vectorBytes() const { return avx512 ? 64 : 32; }
};

/// All levels, ascending.
llvm::ArrayRef<Level> cpuLevels();

/// The levels without those, the last ones, that have the instructions of an earlier one.
llvm::ArrayRef<Level> instructionSets();

/// The level called `name`, or null.
const Level *findLevel(llvm::StringRef name);

} // namespace llmc
