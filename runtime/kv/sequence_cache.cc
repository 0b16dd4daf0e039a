// Append with rollback, truncation, and copy-on-write of the page that is written next.
#include "runtime/kv/sequence_cache.h"

#include <string>

#include "runtime/format/kernel_abi.h"

namespace llmc::rt {
namespace {

uint32_t pagesFor(uint32_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

}  // namespace

SequenceCache::SequenceCache(KvStore& store, uint32_t maxTokens) : store_(&store), maxTokens_(maxTokens) {
  pages_.reserve(pagesFor(maxTokens));
}

SequenceCache::SequenceCache(SequenceCache&& other) noexcept
    : store_(other.store_),
      maxTokens_(other.maxTokens_),
      length_(std::exchange(other.length_, 0)),
      pages_(std::move(other.pages_)) {
  other.pages_.clear();
}

SequenceCache& SequenceCache::operator=(SequenceCache&& other) noexcept {
  std::swap(store_, other.store_);
  std::swap(maxTokens_, other.maxTokens_);
  std::swap(length_, other.length_);
  pages_.swap(other.pages_);
  return *this;
}

Status SequenceCache::append(uint32_t tokens) {
  if (tokens > maxTokens_ - length_)
    return Status::error(ErrorKind::kBadInput, "RT_CONTEXT",
                         std::to_string(length_) + " cached and " + std::to_string(tokens) +
                             " new tokens exceed the context of " + std::to_string(maxTokens_));
  BlockPool& pool = store_->pool();
  const uint32_t target = pagesFor(length_ + tokens);
  // Only the last page can be both shared and written: whole pages before it are never touched again.
  const bool copy = tokens > 0 && length_ % kPageTokens != 0 && pool.references(pages_.back()) > 1;
  const uint32_t needed = target - static_cast<uint32_t>(pages_.size()) + (copy ? 1 : 0);
  if (needed > pool.freePages())
    return Status::error(ErrorKind::kUnavailable, "RT_KV_FULL",
                         std::to_string(needed) + " KV pages needed, " + std::to_string(pool.freePages()) + " of " +
                             std::to_string(pool.totalPages()) + " free");
  if (copy) {
    const int32_t own = *pool.allocate();
    if (Status status = store_->copyPage(pages_.back(), own); !status) {
      pool.release(own);
      return status;
    }
    pool.release(pages_.back());
    pages_.back() = own;
  }
  while (pages_.size() < target) pages_.push_back(*pool.allocate());
  length_ += tokens;
  return Status::ok();
}

void SequenceCache::truncate(uint32_t length) {
  while (pages_.size() > pagesFor(length)) {
    store_->pool().release(pages_.back());
    pages_.pop_back();
  }
  length_ = length;
}

SequenceCache SequenceCache::fork() const {
  SequenceCache copy(*store_, maxTokens_);
  copy.length_ = length_;
  copy.pages_.insert(copy.pages_.end(), pages_.begin(), pages_.end());
  for (const int32_t page : pages_) store_->pool().retain(page);
  return copy;
}

}  // namespace llmc::rt
