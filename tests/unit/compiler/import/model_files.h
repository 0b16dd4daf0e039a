// Writers of small model files for the import tests, honest by default and wrong on demand.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "tests/unit/sanitized.h"

namespace llmc {

/// Bound of the timed tests; sanitizers slow everything down.
inline constexpr std::chrono::seconds kHonestFileTime{kSanitized ? 20 : 2};

/// A folder that disappears with the test.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  const std::string& path() const { return path_; }
  /// Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& bytes) const;

 private:
  std::string path_;
};

/// `value` as little-endian bytes.
template <typename T>
std::string bytesOf(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}

/// Header length, header, data.
std::string safetensorsFile(const std::string& header, const std::string& data);

/// Writes GGUF files field by field; every part can be replaced by a wrong one.
struct GgufWriter {
  uint32_t magic = 0x46554747, version = 3;
  uint64_t alignment = 32;
  std::vector<std::string> keyValues;  // encoded
  std::vector<std::string> tensorInfos;
  std::string data;
  uint64_t tensorCount = UINT64_MAX, keyCount = UINT64_MAX;  // UINT64_MAX: as many as there are

  static std::string text(const std::string& s) { return bytesOf<uint64_t>(s.size()) + s; }
  void raw(const std::string& key, uint32_t type, const std::string& value) {
    keyValues.push_back(text(key) + bytesOf(type) + value);
  }
  void u32(const std::string& key, uint32_t value) { raw(key, 4, bytesOf(value)); }
  void f32(const std::string& key, float value) { raw(key, 6, bytesOf(value)); }
  void boolean(const std::string& key, bool value) { raw(key, 7, bytesOf<uint8_t>(value)); }
  void string(const std::string& key, const std::string& value) { raw(key, 8, text(value)); }
  void strings(const std::string& key, const std::vector<std::string>& values);
  void i32s(const std::string& key, const std::vector<int32_t>& values);
  void f32s(const std::string& key, const std::vector<float>& values);
  /// Encoded tensor info; `dims` innermost first, as in the file.
  static std::string info(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset);
  /// Adds a tensor of F32 (type 0) or raw bytes after the ones before.
  void tensor(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type, const std::string& bytes);
  std::string build() const;
};

/// A whole llama model of one layer: hidden 64, 2 heads of 32, 1 KV head, feed-forward 32, vocabulary 8, byte-level
/// tokenizer. `replace` may change keys before they are written: it gets each key and may write its own value and
/// return true.
GgufWriter tinyGguf(const std::function<bool(GgufWriter&, const std::string&)>& replace = {});

/// The same model's Hugging Face files. Tensors are zero.
std::string tinyConfig();
std::string tinyTokenizer();
std::string tinySafetensors(const std::string& without = "");
void writeTinyFolder(const TempFolder& folder);

/// Expects "FILE: byte N: " at the start of an error's message, or after an absolute folder, with N in a file of `size`
/// bytes.
void expectPlace(const rt::Status& status, const std::string& file, uint64_t size);

/// The code of a failed status, or "ok".
inline std::string codeOf(const rt::Status& status) { return status.isOk() ? "ok" : status.code(); }
template <typename T>
std::string codeOf(const rt::Result<T>& result) {
  return result.isOk() ? "ok" : result.status().code();
}
/// The same of a file of `size` bytes, whose refusals must name it and a byte.
template <typename T>
std::string placedCodeOf(const rt::Result<T>& result, const std::string& file, uint64_t size) {
  if (!result.isOk()) expectPlace(result.status(), file, size);
  return codeOf(result);
}

}  // namespace llmc
