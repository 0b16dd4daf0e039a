// Qwen 2 and 2.5: llama with a bias on q, k and v.
#include "compiler/models/Family.h"

namespace llmc {
const Family kQwen2 = {.name = "qwen2", .qkvBias = true, .slidingWindow = true};
} // namespace llmc
