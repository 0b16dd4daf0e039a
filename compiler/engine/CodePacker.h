// Packs the code of a level for devices: the other side of runtime/format/packed_code.h.
#pragma once

#include "runtime/base/status.h"

#include <string>
#include <string_view>

namespace llmc {

/// One zstd frame that holds `code` and says its size. The same bytes for the same code and release of zstd. Error
/// OUT_PACK (70): `code` is empty or larger than limits::kDeviceCodeBytes, which no runtime would load; zstd has no
/// memory.
rt::Result<std::string> packCode(std::string_view code);

}  // namespace llmc
