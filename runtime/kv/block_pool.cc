// A stack of free page ids and a count for each page.
#include "runtime/kv/block_pool.h"

#include <algorithm>
#include <cassert>

namespace llmc::rt {

BlockPool::BlockPool(uint32_t totalPages) : references_(totalPages, 0) {
  free_.reserve(totalPages);
  for (uint32_t page = totalPages; page-- > 0;) free_.push_back(static_cast<int32_t>(page));
}

std::optional<int32_t> BlockPool::allocate() {
  if (free_.empty()) return std::nullopt;
  const int32_t page = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(page)] = 1;
  touched_ = std::max(touched_, static_cast<uint32_t>(page) + 1);
  return page;
}

void BlockPool::retain(int32_t page) {
  assert(references_[static_cast<size_t>(page)] > 0);
  ++references_[static_cast<size_t>(page)];
}

void BlockPool::release(int32_t page) {
  assert(references_[static_cast<size_t>(page)] > 0);
  if (--references_[static_cast<size_t>(page)] == 0) free_.push_back(page);  // room was reserved for all
}

}  // namespace llmc::rt
