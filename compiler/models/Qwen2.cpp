// Qwen 2 and 2.5 (dense): biases on q, k and v alone.
#include "compiler/models/FamilyList.h"

namespace llmc {
const Family kQwen2 = {.name = "qwen2",
                       .architecture = "Qwen2ForCausalLM",
                       .ggufArchitecture = "qwen2",
                       .qkvBias = Bias::Always,
                       .window = Window::Switched};
} // namespace llmc
