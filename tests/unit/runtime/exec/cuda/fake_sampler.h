// The sampling kernel of hand-made engines, on the host.
#pragma once

#include <cstdint>

namespace llmc::rt::test {

/// args: batch, logits [S, vocab], argmax [S, 2 * tiles], tokens [S, 1]. What llm.sample says, by the host's sampler.
void sampleOnHost(const uint64_t* args);

/// Above 0: it finds no token for draws at positions that this divides, as a kernel may that leaves them to the host.
extern uint64_t drawsLeftToHost;

}  // namespace llmc::rt::test
