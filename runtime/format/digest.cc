// XXH3-128 by the xxHash headers.
#include "runtime/format/digest.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace llmc::rt {

struct ChunkDigester::Stream {
  XXH3_state_t state;
};

Digest128 digestOf(const void* data, size_t bytes) {
  XXH128_hash_t hash = XXH3_128bits(data, bytes);
  return {hash.low64, hash.high64};
}

ChunkDigester::ChunkDigester() : stream_(std::make_unique<Stream>()) { XXH3_128bits_reset(&stream_->state); }
ChunkDigester::~ChunkDigester() = default;

void ChunkDigester::append(const void* data, size_t bytes) {
  const auto* next = static_cast<const unsigned char*>(data);
  while (bytes > 0) {
    auto now = static_cast<size_t>(std::min<uint64_t>(bytes, kChunkBytes - inChunk_));
    XXH3_128bits_update(&stream_->state, next, now);
    next += now;
    bytes -= now;
    inChunk_ += now;
    if (inChunk_ < kChunkBytes) continue;
    XXH128_hash_t hash = XXH3_128bits_digest(&stream_->state);
    digests_.push_back({hash.low64, hash.high64});
    XXH3_128bits_reset(&stream_->state);
    inChunk_ = 0;
  }
}

std::vector<Digest128> ChunkDigester::finish() {
  if (inChunk_ > 0) {
    XXH128_hash_t hash = XXH3_128bits_digest(&stream_->state);
    digests_.push_back({hash.low64, hash.high64});
  }
  XXH3_128bits_reset(&stream_->state);
  inChunk_ = 0;
  return std::move(digests_);
}

}  // namespace llmc::rt
