// Qwen 3 (dense): no biases, RMS norm over each head of q and k.
#include "compiler/models/Family.h"

namespace llmc {
const Family kQwen3 = {.name = "qwen3", .qkvBias = true, .headNorm = true, .slidingWindow = true};
} // namespace llmc
