// The built-in text that quantized builds are measured on.
#pragma once

#include <string_view>

namespace llmc {

/// The Book of Ruth in the King James Version (1611), in the public domain: 13,007 bytes of ASCII English, a paragraph
/// a chapter without verse numbers, from the Debian packages bible-kjv / bible-kjv-text 4.38. About 3,000 tokens.
std::string_view sampleText();

/// How provenance names it.
inline constexpr char kSampleName[] = "Ruth, King James Version";

} // namespace llmc
