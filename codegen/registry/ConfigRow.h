// What rows of the configuration tables are matched by on the machine's side, and what stands behind their numbers.
#pragma once

#include "codegen/cpu/Level.h"
#include <cstdint>

namespace llmc {

/// Sets of CPU levels, a bit each. kZen5 is the level with data paths of 512 bits.
using LevelSet = uint8_t;
inline constexpr LevelSet kV3 = 1, kV3Vnni = 2, kV4 = 4, kV4Vnni = 8, kV4Bf16 = 16, kZen5 = 32;
inline constexpr LevelSet kAvx2 = kV3 | kV3Vnni, kBf16Levels = kV4Bf16 | kZen5, kVnni512 = kV4Vnni | kBf16Levels,
                          kAvx512 = kV4 | kVnni512, kAllLevels = kAvx2 | kAvx512;

inline LevelSet levelBit(const Level &level) {
  if (!level.avx512)
    return level.vnni ? kV3Vnni : kV3;
  return level.fullWidth ? kZen5 : level.bf16 ? kV4Bf16 : level.vnni ? kV4Vnni : kV4;
}

/// Why a row has its numbers: a measurement, as the heading it stands under in a file of the repository, or, without a
/// file, the bound that leaves no choice, or what an unmeasured number was reasoned from ("not measured: ...").
struct Basis {
  const char *file, *text;
};
inline constexpr char kMatmulNotes[] = "codegen/cpu/matmul/README.md",
                      kConfigurationResults[] = "tests/bench/results/2026-11-22-configurations.md",
                      kAttentionResults[] = "tests/bench/results/2026-11-23-attention.md";

} // namespace llmc
