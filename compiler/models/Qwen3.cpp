// Qwen 3 (dense): RMS norm over each head of q and k, heads of 128 unless the config says otherwise.
#include "compiler/models/FamilyList.h"

namespace llmc {
const Family kQwen3 = {.name = "qwen3",
                       .architecture = "Qwen3ForCausalLM",
                       .ggufArchitecture = "qwen3",
                       .qkvBias = Bias::ByConfig,
                       .outputBias = Bias::ByConfig,
                       .headNorm = true,
                       .window = Window::Switched,
                       .headDim = 128};
} // namespace llmc
