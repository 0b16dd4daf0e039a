// JSON text appended to a string: what a token's event is made of, so without a tree in between.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace llmc::rt::server {

/// `text` with JSON's escapes, without quotes. Requires: UTF-8.
void appendEscaped(std::string& out, std::string_view text);
void appendQuoted(std::string& out, std::string_view text);
void appendNumber(std::string& out, int64_t value);
/// Shortest text that reads back as `value`; minus infinity, which JSON lacks, becomes -9999.0 as in vLLM.
void appendReal(std::string& out, float value);
/// [1,2,3]
void appendIds(std::string& out, std::span<const int32_t> ids);
/// [104,105]: the bytes of a text.
void appendBytes(std::string& out, std::string_view bytes);

}  // namespace llmc::rt::server
