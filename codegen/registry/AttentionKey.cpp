// Prints and reads keys; the two must agree.
#include "codegen/registry/AttentionKey.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

namespace llmc {

namespace {
/// What a cache holds as the IR says it and as --kv-cache does, which people read.
struct CacheName {
  llvm::StringRef kind, spelled;
};
constexpr CacheName kCaches[] = {{"f16", "f16"}, {"bf16", "bf16"}, {"i8", "int8"}, {"e4m3", "fp8"}};
} // namespace

std::string spelledCache(llvm::StringRef kind) {
  const auto *found = llvm::find_if(kCaches, [&](const CacheName &cache) { return cache.kind == kind; });
  return (found == std::end(kCaches) ? kind : found->spelled).str();
}

std::string attentionKey(const CudaAttention &attention) {
  std::string key = std::to_string(attention.heads) + "x" + std::to_string(attention.kvHeads) + "x" +
                    std::to_string(attention.headDim) + "," + spelledCache(attention.cache) + "," +
                    std::to_string(attention.splits);
  if (attention.window)
    key += ",window" + std::to_string(attention.window);
  return attention.softcap ? key + ",softcap" : key;
}

/// Decimal, from `least` to `most`.
static bool readNumber(llvm::StringRef text, int64_t least, int64_t most, int64_t &value) {
  return !text.getAsInteger(10, value) && value >= least && value <= most;
}

std::optional<CudaAttention> readAttentionKey(llvm::StringRef key) {
  llvm::SmallVector<llvm::StringRef> parts, numbers;
  key.split(parts, ',');
  if (parts.size() < 3)
    return std::nullopt;
  parts[0].split(numbers, 'x');
  CudaAttention found;
  const auto *cache = llvm::find_if(kCaches, [&](const CacheName &one) { return one.spelled == parts[1]; });
  if (cache == std::end(kCaches))
    return std::nullopt;
  found.cache = cache->kind.str();
  if (numbers.size() != 3 || !readNumber(numbers[0], 1, 65536, found.heads) ||
      !readNumber(numbers[1], 1, found.heads, found.kvHeads) || found.heads % found.kvHeads != 0 ||
      !readNumber(numbers[2], 16, 256, found.headDim) || found.headDim % 16 != 0 ||
      !readNumber(parts[2], 0, 65536, found.splits))
    return std::nullopt;
  for (llvm::StringRef part : llvm::ArrayRef(parts).drop_front(3))
    if (part == "softcap")
      found.softcap = true;
    else if (!part.consume_front("window") || !readNumber(part, 1, INT32_MAX, found.window))
      return std::nullopt;
  return attentionKey(found) == key ? std::optional(found) : std::nullopt; // one key for each
}

} // namespace llmc
