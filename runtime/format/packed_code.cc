// One call of zstd, after checks of what its other entry points forgive: several frames, old formats, other sizes.
#include "runtime/format/packed_code.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <string>

#include "runtime/format/section_table.h"

namespace llmc::rt {
namespace {

/// The first bytes of a frame of the format that RFC 8878 describes.
constexpr std::array<unsigned char, 4> kFrameStart = {0x28, 0xb5, 0x2f, 0xfd};

Status wrong(const std::string& what) { return engineError("EN_CODE", "packed code " + what); }

std::string zstdText(size_t code) { return std::string(": zstd says '") + ZSTD_getErrorName(code) + "'"; }

bool startsAsFrame(std::span<const std::byte> packed) {
  return packed.size() >= kFrameStart.size() &&
         std::equal(kFrameStart.begin(), kFrameStart.end(), packed.begin(),
                    [](unsigned char expected, std::byte found) { return std::byte{expected} == found; });
}

}  // namespace

Status unpackCode(std::span<const std::byte> packed, std::span<std::byte> plain) {
  if (!startsAsFrame(packed)) return wrong("does not start as a zstd frame does");
  const size_t frame = ZSTD_findFrameCompressedSize(packed.data(), packed.size());
  if (ZSTD_isError(frame)) return wrong("is cut or damaged" + zstdText(frame));
  if (frame != packed.size())
    return wrong("ends at byte " + std::to_string(frame) + " of " + std::to_string(packed.size()));
  const unsigned long long holds = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (holds != plain.size())
    return wrong(
        (holds >= ZSTD_CONTENTSIZE_ERROR ? "does not say its size" : "holds " + std::to_string(holds) + " bytes") +
        ", its level has " + std::to_string(plain.size()));
  const size_t got = ZSTD_decompress(plain.data(), plain.size(), packed.data(), packed.size());
  if (ZSTD_isError(got)) return wrong("is damaged" + zstdText(got));
  if (got != plain.size())
    return wrong("ends after " + std::to_string(got) + " bytes, its level has " + std::to_string(plain.size()));
  return Status::ok();
}

}  // namespace llmc::rt
