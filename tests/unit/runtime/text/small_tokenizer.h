// A tokenizer.json small enough to read: GPT-2's byte alphabet, a few merges, and control tokens like a chat model's.
#pragma once

#include <cstdint>
#include <string>

namespace llmc::rt::test {

/// UTF-8 of a code point below U+0800.
inline std::string utf8(uint32_t code) {
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

/// The character that stands for a byte in GPT-2's alphabet.
inline std::string byteLetter(int byte) {
  auto itself = [](int b) { return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae; };
  if (itself(byte)) return utf8(static_cast<uint32_t>(byte));
  uint32_t code = 0x100;
  for (int b = 0; b < byte; ++b) code += itself(b) ? 0 : 1;
  return utf8(code);
}

inline std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

/// Ids: 0-255 the bytes; 256 "he", 257 "ll", 258 "hell", 259 "hello", 260 "Ġhello" (" hello"); then special 261
/// "<|im_start|>", 262 "<|im_end|>", 263 "<s>", and 264 "<think>", which is added but not special.
inline std::string smallTokenizerJson() {
  std::string vocab;
  for (int byte = 0; byte < 256; ++byte) vocab += quoted(byteLetter(byte)) + ":" + std::to_string(byte) + ",";
  vocab += R"("he":256,"ll":257,"hell":258,"hello":259,"Ġhello":260)";
  auto added = [](int id, const char* text, bool special) {
    return "{\"id\":" + std::to_string(id) + ",\"content\":\"" + text +
           "\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":" +
           (special ? "true}" : "false}");
  };
  return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[)" + added(261, "<|im_start|>", true) +
         "," + added(262, "<|im_end|>", true) + "," + added(263, "<s>", true) + "," + added(264, "<think>", false) +
         R"(],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},)" +
         R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],)" +
         R"("pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":0}}],"special_tokens":{"<s>":{"id":"<s>","ids":[263],"tokens":["<s>"]}}},)" +
         R"("decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},)" +
         R"("model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,)" +
         R"("byte_fallback":false,"ignore_merges":false,"vocab":{)" + vocab +
         R"(},"merges":[["h","e"],["l","l"],["he","ll"],["hell","o"],["Ġ","hello"]]}})";
}

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

}  // namespace llmc::rt::test
