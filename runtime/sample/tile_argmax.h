// The best token of a row whose largest logits a kernel has found tile by tile.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/base/status.h"

namespace llmc::rt {

/// `tiles` [2 n], as Executor::tiles: the largest logit of each tile, then its first column. The token is the first one
/// with the largest logit, as Sampler::sample chooses for greedy parameters. Error RT_LOGITS (70) when a logit of the
/// row was not finite, with the first such token. Requires: n > 0. Any thread.
Result<int32_t> bestOfTiles(std::span<const float> tiles);

}  // namespace llmc::rt
