// Chunks in any pieces, and what is no chunk.
#include "runtime/server/http/chunk_decoder.h"

#include <gtest/gtest.h>

namespace llmc::rt::server {
namespace {

using State = ChunkDecoder::State;

State decode(std::string_view text, size_t piece, std::string& body, size_t& used) {
  ChunkDecoder decoder;
  used = 0;
  State state = State::kMore;
  for (size_t i = 0; i < text.size() && state == State::kMore; i += piece) {
    size_t count = 0;
    state = decoder.feed(text.substr(i, piece), body, count);
    used += count;
  }
  return state;
}

TEST(ChunkDecoder, AnyPieces) {
  const std::string text = "2\r\nab\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: v\r\nB: c\r\n\r\nNEXT";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    std::string body;
    size_t used = 0;
    EXPECT_EQ(decode(text, piece, body, used), State::kDone) << piece;
    EXPECT_EQ(body, "ab0123456789");
    EXPECT_EQ(text.substr(used), "NEXT");
  }
}

TEST(ChunkDecoder, AnEmptyBodyInSmallPieces) {
  std::string body;
  size_t used = 0;
  EXPECT_EQ(decode("0\r\n\r\n", 1, body, used), State::kDone);
}

TEST(ChunkDecoder, WhatIsNoChunk) {
  for (const char* text :
       {"\r\n", "g\r\n", "-1\r\n", "0x1\r\na\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "1\na\r\n", "1\r\nab\r\n", "1\r\na\n",
        "00000000000000001\r\na", "0\r\n \r\n", "0\r\nA: b\n\r\n", "0\r\n\rX", "1;\x01\r\na"}) {
    std::string body;
    size_t used = 0;
    EXPECT_EQ(decode(text, 100, body, used), State::kBad) << text;
  }
  std::string body;
  size_t used = 0;
  EXPECT_EQ(decode("ffffffffffffffff\r\n", 100, body, used), State::kTooLarge);
  EXPECT_EQ(decode("0\r\nA: " + std::string(100'000, 'b'), 1000, body, used), State::kBad);
}

}  // namespace
}  // namespace llmc::rt::server
