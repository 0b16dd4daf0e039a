// Mistral 7B: llama with an optional sliding window (Jiang et al. 2023, section 2).
#include "compiler/models/Family.h"

namespace llmc {
const Family kMistral = {.name = "mistral", .slidingWindow = true};
} // namespace llmc
