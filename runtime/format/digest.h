// XXH3-128 digests of engine files: of a byte range, and of a stream cut in chunks.
#pragma once

#include "runtime/format/layout.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace llmc::rt {

/// Of `bytes` bytes at `data`.
Digest128 digestOf(const void* data, size_t bytes);

/// Number of chunk digests of a section of `paddedBytes`.
constexpr uint64_t chunkCount(uint64_t paddedBytes) { return (paddedBytes + kChunkBytes - 1) / kChunkBytes; }

/// Digests a stream as kChunkBytes-long pieces, the last one shorter.
class ChunkDigester {
 public:
  ChunkDigester();
  ~ChunkDigester();
  /// `bytes` bytes at `data`, after those before.
  void append(const void* data, size_t bytes);
  /// Digests of all chunks so far; starts a new stream.
  std::vector<Digest128> finish();

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
  uint64_t inChunk_ = 0;
  std::vector<Digest128> digests_;
};

}  // namespace llmc::rt
