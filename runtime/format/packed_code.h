// Code for devices, which a driver reads once, is packed in the file: kernels of a model are much alike, and so are the
// texts of PTX.
#pragma once

#include <cstddef>
#include <span>

#include "runtime/base/status.h"
#include "runtime/format/engine_generated.h"
#include "runtime/format/layout.h"

namespace llmc::rt {

/// Bytes that the offsets of a level's code count in. `section` is the level's.
inline uint64_t codeBytes(const fb::Level& level, const SectionEntry& section) {
  return level.plain_bytes() > 0 ? level.plain_bytes() : section.size;
}

/// Fills `plain` with what `packed` holds. Nothing outside of both is touched, whatever the bytes are. Error EN_CODE:
/// `packed` is not one zstd frame from its first to its last byte, or not of plain.size() bytes.
Status unpackCode(std::span<const std::byte> packed, std::span<std::byte> plain);

}  // namespace llmc::rt
