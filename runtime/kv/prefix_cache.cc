// Intrusive lists over one entry a page: hash chains, children, and idle pages by age.
#include "runtime/kv/prefix_cache.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <string>

#include "runtime/format/digest.h"

namespace llmc::rt {

PrefixCache::PrefixCache(BlockPool& pool)
    : pool_(&pool), entries_(pool.totalPages()), buckets_(std::bit_ceil(size_t{2} * pool.totalPages() + 1), -1) {}

std::optional<int32_t> PrefixCache::allocate() {
  if (pool_->freePages() == 0 && idle_ > 0) {
    remove(oldest_);
    ++stats_.evicted;
  }
  return pool_->allocate();
}

void PrefixCache::retain(int32_t page) {
  if (cached(page) && pool_->references(page) == 1) unlinkIdle(page);
  pool_->retain(page);
}

void PrefixCache::release(int32_t page) {
  pool_->release(page);
  if (cached(page) && pool_->references(page) == 1) pushIdle(page);
}

Digest128 PrefixCache::pageHash(const Digest128& parent, std::span<const int32_t> tokens) {
  assert(tokens.size() == kPageTokens);
  std::array<uint8_t, sizeof(Digest128) + kPageTokens * sizeof(int32_t)> bytes;
  std::memcpy(bytes.data(), &parent, sizeof parent);
  std::memcpy(bytes.data() + sizeof parent, tokens.data(), tokens.size_bytes());
  return digestOf(bytes.data(), bytes.size());
}

int32_t PrefixCache::lookup(const Digest128& hash, int32_t parent, std::span<const int32_t> tokens,
                            const Digest128& salt) const {
  int32_t page = buckets_[hash.low & (buckets_.size() - 1)];
  for (; page >= 0; page = entry(page).nextInBucket) {
    const Entry& e = entry(page);
    if (e.hash == hash && e.parent == parent && e.salt == salt &&
        std::equal(tokens.begin(), tokens.end(), e.tokens.begin()))
      break;
  }
  return page;
}

PrefixMatch PrefixCache::find(std::span<const int32_t> tokens, std::span<const Digest128> hashes,
                              const Digest128& salt) const {
  PrefixMatch match;
  int32_t parent = -1;
  for (; match.pages < hashes.size(); ++match.pages) {
    parent = lookup(hashes[match.pages], parent, tokens.subspan(size_t{match.pages} * kPageTokens, kPageTokens), salt);
    if (parent < 0) break;
    match.idle += pool_->references(parent) == 1;
  }
  return match;
}

uint32_t PrefixCache::acquire(std::span<const int32_t> tokens, std::span<const Digest128> hashes, const Digest128& salt,
                              std::span<int32_t> pages) {
  uint32_t found = 0;
  int32_t parent = -1;
  for (; found < hashes.size(); ++found) {
    parent = lookup(hashes[found], parent, tokens.subspan(size_t{found} * kPageTokens, kPageTokens), salt);
    if (parent < 0) break;
    retain(parent);
    pages[found] = parent;
  }
  return found;
}

std::optional<int32_t> PrefixCache::publish(int32_t page, int32_t parent, std::span<const int32_t> tokens,
                                            const Digest128& hash, const Digest128& salt) {
  assert(!cached(page) && tokens.size() == kPageTokens);
  if (parent >= 0 && !cached(parent)) return std::nullopt;
  if (const int32_t equal = lookup(hash, parent, tokens, salt); equal >= 0) {
    retain(equal);
    release(page);
    return equal;
  }
  Entry& e = entry(page);
  e.hash = hash;
  e.salt = salt;
  e.parent = parent;
  std::copy(tokens.begin(), tokens.end(), e.tokens.begin());
  insert(page);
  pool_->retain(page);
  ++stats_.published;
  return page;
}

void PrefixCache::insert(int32_t page) {
  Entry& e = entry(page);
  e.cached = true;
  e.firstChild = e.previousSibling = e.nextSibling = -1;
  e.nextInBucket = bucket(e.hash);
  bucket(e.hash) = page;
  if (e.parent < 0) return;
  Entry& parent = entry(e.parent);
  e.nextSibling = parent.firstChild;
  if (e.nextSibling >= 0) entry(e.nextSibling).previousSibling = page;
  parent.firstChild = page;
}

/// A leaf leaves the cache; it becomes free when nobody owns it.
void PrefixCache::remove(int32_t page) {
  Entry& e = entry(page);
  assert(e.cached && e.firstChild < 0);
  int32_t* link = &bucket(e.hash);
  while (*link != page) link = &entry(*link).nextInBucket;
  *link = e.nextInBucket;
  if (e.nextSibling >= 0) entry(e.nextSibling).previousSibling = e.previousSibling;
  if (e.previousSibling >= 0)
    entry(e.previousSibling).nextSibling = e.nextSibling;
  else if (e.parent >= 0)
    entry(e.parent).firstChild = e.nextSibling;
  if (pool_->references(page) == 1) unlinkIdle(page);
  e.cached = false;
  pool_->release(page);
}

void PrefixCache::withdraw(int32_t page) {
  if (!cached(page)) return;
  const int32_t top = entry(page).parent;
  // Leaves first, without recursion: a prefix may be thousands of pages deep.
  while (page != top) {
    if (entry(page).firstChild >= 0) {
      page = entry(page).firstChild;
      continue;
    }
    const int32_t parent = entry(page).parent;
    remove(page);
    ++stats_.withdrawn;
    page = parent;
  }
}

void PrefixCache::forget(std::span<const int32_t> tokens, std::span<const Digest128> hashes, const Digest128& salt,
                         uint32_t from) {
  uint32_t pages = 0;
  int32_t page = -1;
  for (; pages < hashes.size(); ++pages) {
    const int32_t next = lookup(hashes[pages], page, tokens.subspan(size_t{pages} * kPageTokens, kPageTokens), salt);
    if (next < 0) break;
    page = next;
  }
  for (; pages > from && entry(page).firstChild < 0 && pool_->references(page) == 1; --pages) {
    const int32_t parent = entry(page).parent;
    remove(page);
    ++stats_.withdrawn;
    page = parent;
  }
}

void PrefixCache::clear() {
  while (idle_ > 0) {
    remove(oldest_);
    ++stats_.evicted;
  }
}

void PrefixCache::pushIdle(int32_t page) {
  Entry& e = entry(page);
  e.older = newest_;
  e.newer = -1;
  (newest_ >= 0 ? entry(newest_).newer : oldest_) = page;
  newest_ = page;
  ++idle_;
}

void PrefixCache::unlinkIdle(int32_t page) {
  Entry& e = entry(page);
  (e.older >= 0 ? entry(e.older).newer : oldest_) = e.newer;
  (e.newer >= 0 ? entry(e.newer).older : newest_) = e.older;
  e.older = e.newer = -1;
  --idle_;
}

Status PrefixCache::checkPage(int32_t page) const {
  const Entry& e = entry(page);
  const auto fault = [page](const char* what) {
    return Status::error(ErrorKind::kInternal, "RT_KV_STATE", "page " + std::to_string(page) + ": " + what);
  };
  if (pool_->references(page) == 0) return fault("cached and free");
  if (lookup(e.hash, e.parent, e.tokens, e.salt) != page) return fault("not found by its own key");
  const Digest128& above = e.parent < 0 ? e.salt : entry(e.parent).hash;
  if (pageHash(above, e.tokens) != e.hash) return fault("its key is not that of its tokens");
  if (e.parent >= 0 && !cached(e.parent)) return fault("its parent is not cached");
  if (e.parent >= 0 && entry(e.parent).salt != e.salt) return fault("its parent has another salt");
  if (e.parent >= 0 && owners(page) > 0 && owners(e.parent) == 0) return fault("owned, its parent is not");
  for (int32_t child = e.firstChild; child >= 0; child = entry(child).nextSibling)
    if (entry(child).parent != page || !cached(child)) return fault("lists a child that is not its own");
  return Status::ok();
}

Status PrefixCache::check() const {
  const auto fault = [](const char* what) {
    return Status::error(ErrorKind::kInternal, "RT_KV_STATE", std::string("prefix cache: ") + what);
  };
  uint32_t unowned = 0, listed = 0, children = 0, parents = 0;
  for (int32_t page = 0; page < static_cast<int32_t>(entries_.size()); ++page) {
    if (!cached(page)) continue;
    LLMC_TRY(checkPage(page));
    unowned += owners(page) == 0;
    parents += entry(page).parent >= 0;
    for (int32_t child = entry(page).firstChild; child >= 0; child = entry(child).nextSibling) ++children;
  }
  if (children != parents) return fault("a page is missing from its parent's list");
  std::vector<bool> seen(entries_.size());
  for (int32_t page = oldest_; page >= 0; page = entry(page).newer, ++listed) {
    if (!cached(page) || owners(page) != 0) return fault("an owned page is in the idle list");
    if (entry(page).parent >= 0 && seen[static_cast<size_t>(entry(page).parent)])
      return fault("a parent would be evicted before its child");
    seen[static_cast<size_t>(page)] = true;
  }
  if (listed != unowned || listed != idle_) return fault("idle pages are not the listed ones");
  return Status::ok();
}

}  // namespace llmc::rt
