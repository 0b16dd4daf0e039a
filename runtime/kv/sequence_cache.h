// The cached tokens of one sequence: which pages hold them, shared with forks until someone writes.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/kv/kv_store.h"

namespace llmc::rt {

/// Block table and length of a sequence. Token t lies in pages()[t / 16] at offset t % 16. Move only; gives its pages
/// back on destruction. One thread; `store` must outlive it.
class SequenceCache {
 public:
  /// Room for `maxTokens` is reserved in the block table, so that appends up to there allocate no host memory.
  SequenceCache(KvStore& store, uint32_t maxTokens);
  SequenceCache(SequenceCache&& other) noexcept;
  SequenceCache& operator=(SequenceCache&& other) noexcept;
  ~SequenceCache() { truncate(0); }

  uint32_t length() const { return length_; }  ///< tokens
  uint32_t maxTokens() const { return maxTokens_; }
  std::span<const int32_t> pages() const { return pages_; }  ///< ceil(length / 16) ids

  /// Makes room for `tokens` more, to be written by the next step; a shared last page is copied first. On error
  /// RT_CONTEXT (65: beyond maxTokens) or RT_KV_FULL (69: no free page) nothing has changed.
  Status append(uint32_t tokens);
  /// Forgets all tokens from `length` on. Requires: length <= length().
  void truncate(uint32_t length);
  /// A second sequence with the same tokens; the pages are shared.
  SequenceCache fork() const;

 private:
  KvStore* store_;
  uint32_t maxTokens_;
  uint32_t length_ = 0;
  std::vector<int32_t> pages_;
};

}  // namespace llmc::rt
