// Mistral: llama without biases and with a sliding window in every layer.
#include "compiler/models/FamilyList.h"

namespace llmc {
const Family kMistral = {.name = "mistral",
                         .architecture = "MistralForCausalLM",
                         .ggufArchitecture = "",
                         .window = Window::Always,
                         .ggufRotatesPairs = true};
} // namespace llmc
