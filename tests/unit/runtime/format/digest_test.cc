// Chunk digests: the same whatever the pieces they were appended in.
#include "runtime/format/digest.h"

#include <gtest/gtest.h>

#include <string>

namespace llmc::rt {
namespace {

TEST(Digest, KnownValue) {
  // XXH3-128 of the empty input with seed 0, from the xxHash specification.
  EXPECT_EQ(digestOf("", 0).high, 0x99aa06d3014798d8ull);
  EXPECT_EQ(digestOf("", 0).low, 0x6001c324468d497full);
}

TEST(Digest, ChunksDoNotDependOnPieces) {
  std::string bytes(kChunkBytes * 2 + 12345, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 24);
  ChunkDigester whole, pieces;
  whole.append(bytes.data(), bytes.size());
  for (size_t at = 0; at < bytes.size(); at += 99991)
    pieces.append(bytes.data() + at, std::min<size_t>(99991, bytes.size() - at));
  auto a = whole.finish();
  EXPECT_EQ(a, pieces.finish());
  ASSERT_EQ(a.size(), 3u);
  EXPECT_EQ(a[2], digestOf(bytes.data() + 2 * kChunkBytes, 12345));
  EXPECT_TRUE(whole.finish().empty());
}

TEST(Digest, ExactChunkHasNoEmptyTail) {
  std::string bytes(kChunkBytes, 'x');
  ChunkDigester digester;
  digester.append(bytes.data(), bytes.size());
  EXPECT_EQ(digester.finish().size(), chunkCount(kChunkBytes));
  EXPECT_EQ(chunkCount(kChunkBytes), 1u);
  EXPECT_EQ(chunkCount(0), 0u);
}

}  // namespace
}  // namespace llmc::rt
