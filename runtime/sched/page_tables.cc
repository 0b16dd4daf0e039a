// Rows of page ids over the prefix cache; each change of contents is written down as a move.
#include "runtime/sched/page_tables.h"

#include <algorithm>
#include <cassert>

namespace llmc::rt {

PageTables::PageTables(uint32_t pages, uint32_t hostPages, uint32_t rows, uint32_t stride, bool prefixCache)
    : stride_(stride),
      prefixCache_(prefixCache),
      device_(pages),
      host_(hostPages),
      cache_(device_),
      table_(size_t{rows} * stride, -1) {
  freeRows_.reserve(rows);
  for (uint32_t row = rows; row-- > 0;) freeRows_.push_back(static_cast<int32_t>(row));
}

std::span<const int32_t> PageTables::pages(const PageHolding& holding) const {
  if (holding.row < 0) return {};
  return {&table_[static_cast<size_t>(holding.row) * stride_], holding.count};
}

PrefixMatch PageTables::find(const KeyedTokens& prompt) const {
  return prefixCache_ ? cache_.find(prompt.tokens, prompt.keys, prompt.salt) : PrefixMatch{};
}

void PageTables::takeRow(PageHolding& holding) {
  assert(holding.row < 0 && !freeRows_.empty());
  holding.row = freeRows_.back();
  freeRows_.pop_back();
  holding.count = holding.published = 0;
  holding.publishing = prefixCache_;
}

uint32_t PageTables::open(PageHolding& holding, const KeyedTokens& prompt, uint32_t total) {
  takeRow(holding);
  if (prefixCache_)
    holding.count = holding.published =
        cache_.acquire(prompt.tokens, prompt.keys, prompt.salt, std::span(row(holding), stride_));
  if (!holding.found) holding.found = holding.made = holding.count;
  const uint32_t hits = holding.count * kPageTokens;
  const bool enough = grow(holding, total);
  assert(enough);
  (void)enough;
  return hits;
}

bool PageTables::grow(PageHolding& holding, uint32_t total) {
  assert(total <= stride_);
  if (total > holding.count && total - holding.count > available()) return false;
  while (holding.count < total) row(holding)[holding.count++] = *cache_.allocate();
  return true;
}

bool PageTables::copyNeeded(const PageHolding& holding, uint32_t token) const {
  const uint32_t index = token / kPageTokens;
  return index < holding.count && cache_.owners(pages(holding)[index]) > 1;
}

bool PageTables::copyForWrite(PageHolding& holding, uint32_t token, std::vector<PageMove>& moves) {
  const auto own = cache_.allocate();
  if (!own) return false;
  int32_t& place = row(holding)[token / kPageTokens];
  moves.push_back({PageMove::Kind::kCopy, place, *own});
  cache_.release(place);
  place = *own;
  return true;
}

void PageTables::fork(const PageHolding& from, PageHolding& to, uint32_t count) {
  takeRow(to);
  to.count = count;
  to.published = std::min(from.published, count);
  to.publishing = from.publishing;
  to.found = to.made = to.published;  // the other's
  std::copy_n(row(from), count, row(to));
  for (uint32_t i = 0; i < count; ++i) cache_.retain(row(to)[i]);
}

void PageTables::publish(PageHolding& holding, const KeyedTokens& sequence, uint32_t computed) {
  for (uint32_t& i = holding.published; holding.publishing && i < computed / kPageTokens; ++i) {
    int32_t* pages = row(holding);
    // A page that a fork computed and published meanwhile is shared already.
    const auto kept =
        cache_.publish(pages[i], i > 0 ? pages[i - 1] : -1,
                       sequence.tokens.subspan(size_t{i} * kPageTokens, kPageTokens), sequence.keys[i], sequence.salt);
    if (!kept) {
      holding.publishing = false;
      return;
    }
    // An equal one was there: it and those before it are another's.
    if (pages[i] != *kept) holding.found = i + 1;
    holding.made = std::max(holding.made, i + 1);
    pages[i] = *kept;
  }
}

void PageTables::closeDevice(PageHolding& holding) {
  if (holding.row < 0) return;
  while (holding.count > 0) cache_.release(row(holding)[--holding.count]);
  freeRows_.push_back(holding.row);
  holding.row = -1;
  holding.published = 0;
}

void PageTables::close(PageHolding& holding) {
  closeDevice(holding);
  for (; !holding.host.empty(); holding.host.pop_back()) host_.release(holding.host.back());
}

void PageTables::closeAborted(PageHolding& holding, const KeyedTokens& sequence) {
  close(holding);
  if (holding.made > holding.found.value_or(0))
    cache_.forget(sequence.tokens, sequence.keys.first(holding.made), sequence.salt, *holding.found);
}

void PageTables::closeDoubtful(PageHolding& holding, std::vector<PageMove>& moves) {
  for (const int32_t page : pages(holding)) {
    cache_.withdraw(page);
    if (device_.references(page) == 1) moves.push_back({PageMove::Kind::kClear, -1, page});
  }
  close(holding);
}

bool PageTables::swapOut(PageHolding& holding, uint32_t computed, std::vector<PageMove>& moves) {
  const uint32_t used = pagesOf(computed);
  if (used > host_.freePages()) return false;
  for (uint32_t i = 0; i < used; ++i) {
    holding.host.push_back(*host_.allocate());
    moves.push_back({PageMove::Kind::kSwapOut, row(holding)[i], holding.host.back()});
  }
  closeDevice(holding);
  return true;
}

void PageTables::swapIn(PageHolding& holding, const KeyedTokens& sequence, uint32_t total,
                        std::vector<PageMove>& moves) {
  open(holding, sequence, total);
  for (size_t i = holding.published; i < holding.host.size(); ++i)
    moves.push_back({PageMove::Kind::kSwapIn, holding.host[i], row(holding)[i]});
  for (; !holding.host.empty(); holding.host.pop_back()) host_.release(holding.host.back());
}

}  // namespace llmc::rt
