// Llama 1-3, SmolLM, TinyLlama and whatever else calls itself llama: rotary attention with grouped heads, SwiGLU.
#include "compiler/models/Family.h"

namespace llmc {
const Family kLlama = {.name = "llama", .qkvBias = true, .outputBias = true};
} // namespace llmc
