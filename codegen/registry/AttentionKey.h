// What tuning databases know an attention kernel on CUDA by.
#pragma once

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace llmc {

/// What the speed of its configurations depends on. Sinks are an addition a row, and layers only how far pages are
/// apart: neither is in it.
struct CudaAttention {
  int64_t heads = 0, kvHeads = 0, headDim = 0;
  std::string cache = "f16"; ///< what keys and values are stored as, in the words of the IR: f16, bf16, i8, e4m3
  int64_t splits = 0;        ///< parts of a context whose results llm.attend_merge joins; 0: whole contexts
  int64_t window = 0;        ///< keys visible behind a query; 0: all
  bool softcap = false;
  friend bool operator==(const CudaAttention &, const CudaAttention &) = default;
};

/// What a cache holds, in the words of the IR (i8, e4m3), as --kv-cache spells it (int8, fp8); others as they are.
std::string spelledCache(llvm::StringRef kind);
/// "32x8x128,int8,16", "32x8x128,f16,0,window4096,softcap": heads, KV heads, columns; cache as --kv-cache spells it;
/// splits.
std::string attentionKey(const CudaAttention &attention);
/// Nothing: not such a key, or no attention that has a kernel.
std::optional<CudaAttention> readAttentionKey(llvm::StringRef key);

} // namespace llmc
