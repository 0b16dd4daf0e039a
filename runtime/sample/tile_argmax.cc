// The first largest tile wins: tiles are in the order of their columns.
#include "runtime/sample/tile_argmax.h"

#include <cmath>
#include <string>

#include "runtime/sample/vocab_scan.h"

namespace llmc::rt {

Result<int32_t> bestOfTiles(std::span<const float> tiles) {
  const auto count = static_cast<uint32_t>(tiles.size() / 2);
  const float best = scanMax(tiles.data(), count).max;
  const uint32_t tile = findFirst(tiles.data(), count, best);
  // Kernels never leave a NaN here; a row that holds one was not written by them.
  if (tile < count && std::isfinite(best)) return static_cast<int32_t>(tiles[count + tile]);
  const float column = tile < count ? tiles[count + tile] : 0;
  return Status::error(ErrorKind::kInternal, "RT_LOGITS",
                       "logit of token " + std::to_string(static_cast<int64_t>(column)) + " is not a finite number",
                       "the weights or a kernel are broken; run --selftest");
}

}  // namespace llmc::rt
