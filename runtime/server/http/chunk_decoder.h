// The chunked transfer coding, byte by byte: the same result in whatever pieces a body comes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace llmc::rt::server {

/// Decodes one body. Strict: a chunk's size is 1 to 16 hexadecimal digits, lines end with CR LF, and nothing but
/// printable text and tabs stands in extensions and trailers, which are dropped. Beast's decoder asserts when an empty
/// body comes in small pieces (1.81, parse_chunk_header), so it is not used.
class ChunkDecoder {
 public:
  enum class State : uint8_t { kMore, kDone, kBad, kTooLarge };

  /// Takes bytes of `input` and appends what they hold to `body`, up to limits::kBodyBytes. With kDone, `used` bytes
  /// were this body's; else all were taken, up to the fault.
  State feed(std::string_view input, std::string& body, size_t& used);

 private:
  enum class Phase : uint8_t {
    kSize,
    kExtension,
    kSizeEnd,
    kData,
    kDataCr,
    kDataLf,
    kLineStart,
    kTrailer,
    kTrailerLf,
    kEnd
  };
  State control(unsigned char byte, const std::string& body);
  State endOfSize(unsigned char byte, const std::string& body);

  Phase phase_ = Phase::kSize;
  uint32_t digits_ = 0;
  uint64_t size_ = 0;       ///< of the chunk; in kData: what is left of it
  uint64_t lineBytes_ = 0;  ///< of the chunk's head, or of all trailers
};

}  // namespace llmc::rt::server
