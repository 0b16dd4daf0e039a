// Table of CPU levels.
#include "codegen/cpu/Level.h"

namespace llmc {

// v3 = AVX2 + FMA + F16C (2013 on); AVX-VNNI = client cores since Alder Lake and Zen 5; v4 = AVX-512 of Skylake-X;
// VNNI = Cascade Lake on; BF16 = Cooper Lake, Sapphire Rapids and Zen 4 on. Zen 5 has the
// instructions of Zen 4 and other data paths; what tells it from all others is VP2INTERSECT beside BF16 (Tiger Lake has
// the one without the other), which no code uses. A level uses nothing that runtime/device/cpu_features.cc does not
// test.
static constexpr Level kLevels[] = {
    {"x86-64-v3", "x86-64-v3", "", false, false, false, false},
    {"x86-64-v3-avxvnni", "x86-64-v3", "+avxvnni", false, true, false, false},
    {"x86-64-v4", "x86-64-v4", "", true, false, false, false},
    {"x86-64-v4-vnni", "x86-64-v4", "+avx512vnni", true, true, false, false},
    {"x86-64-v4-vnni-bf16", "x86-64-v4", "+avx512vnni,+avx512bf16", true, true, true, false},
    {"x86-64-v4-vnni-bf16-vp2intersect", "x86-64-v4", "+avx512vnni,+avx512bf16", true, true, true, true},
};

llvm::ArrayRef<Level> cpuLevels() { return kLevels; }

llvm::ArrayRef<Level> instructionSets() {
  return cpuLevels().take_while([](const Level &level) { return !level.fullWidth; });
}

const Level *findLevel(llvm::StringRef name) {
  for (const Level &level : kLevels)
    if (level.name == name)
      return &level;
  return nullptr;
}

} // namespace llmc
