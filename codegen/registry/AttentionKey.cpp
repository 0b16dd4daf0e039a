// Prints and reads keys; the two must agree.
#include "codegen/registry/AttentionKey.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

namespace llmc {

std::string attentionKey(const CudaAttention &attention) {
  std::string key = std::to_string(attention.heads) + "x" + std::to_string(attention.kvHeads) + "x" +
                    std::to_string(attention.headDim) + "," + attention.cache + "," + std::to_string(attention.splits);
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
  found.cache = parts[1].str();
  if (numbers.size() != 3 || !readNumber(numbers[0], 1, 65536, found.heads) ||
      !readNumber(numbers[1], 1, found.heads, found.kvHeads) || found.heads % found.kvHeads != 0 ||
      !readNumber(numbers[2], 16, 256, found.headDim) || found.headDim % 16 != 0 ||
      !llvm::is_contained({"f16", "bf16", "i8", "e4m3"}, parts[1]) || !readNumber(parts[2], 0, 65536, found.splits))
    return std::nullopt;
  for (llvm::StringRef part : llvm::ArrayRef(parts).drop_front(3))
    if (part == "softcap")
      found.softcap = true;
    else if (!part.consume_front("window") || !readNumber(part, 1, INT32_MAX, found.window))
      return std::nullopt;
  return attentionKey(found) == key ? std::optional(found) : std::nullopt; // one key for each
}

} // namespace llmc
