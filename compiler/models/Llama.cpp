// Llama 1-3, SmolLM, TinyLlama and whatever else calls itself llama: rotary attention with grouped heads, SwiGLU. GGUF
// calls Mistral llama too; its window tells them apart.
#include "compiler/models/FamilyList.h"

namespace llmc {
const Family kLlama = {.name = "llama",
                       .architecture = "LlamaForCausalLM",
                       .ggufArchitecture = "llama",
                       .qkvBias = Bias::ByConfig,
                       .outputBias = Bias::ByConfig,
                       .mlpBias = true,
                       .ggufRotatesPairs = true,
                       .ggufWindowed = "mistral"};
} // namespace llmc
