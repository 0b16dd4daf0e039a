// The table of GPUs.
#include "codegen/cuda/Gpu.h"

#include <algorithm>

namespace llmc {

static constexpr Gpu kGpus[] = {
    {"sm_80", "A100 80 GB", 108, 2039, 4800, 312, 2048, 164 * 1024, 40},
    {"sm_86", "RTX 3090", 82, 936, 2400, 71, 1536, 100 * 1024, 6},
    {"sm_89", "RTX 4090", 128, 1008, 4500, 165, 1536, 100 * 1024, 72},
    {"sm_90a", "H100 SXM", 132, 3350, 5500, 620, 2048, 228 * 1024, 50}, // mma.sync reaches about 60% of wgmma's 989
    {"sm_100a", "B200", 148, 8000, 10000, 900, 2048, 228 * 1024, 126},  // mma.sync
    {"sm_120a", "RTX 5090", 170, 1792, 7000, 209, 1536, 100 * 1024, 96},
};

const Gpu &gpuOf(const Arch &arch) {
  const auto *found =
      std::find_if(std::begin(kGpus), std::end(kGpus), [&](const Gpu &gpu) { return gpu.arch == arch.name; });
  return found == std::end(kGpus) ? kGpus[0] : *found;
}

} // namespace llmc
