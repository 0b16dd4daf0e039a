// A model small enough to check by hand that still reads its context through the pages: wrong pages give wrong tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/sched/step_plan.h"

namespace llmc::rt {

/// The "KV" of a token is a hash of all tokens up to it, made from the KV of the token before, which is read from where
/// the block table says. The next token is a function of the last KV. So a page that is shared, copied, swapped or
/// evicted wrongly shows as another token.
class PagedModel {
 public:
  static constexpr int32_t kVocabulary = 1000;

  PagedModel(uint32_t pages, uint32_t hostPages)
      : device_(size_t{pages} * kPageTokens), host_(size_t{hostPages} * kPageTokens) {}

  /// KV of a token after a context of KV `before` (the salt for the first).
  static uint64_t advance(uint64_t before, int32_t token) {
    uint64_t x = before + 0x9E3779B97F4A7C15ull * (static_cast<uint64_t>(token) + 1);
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    return x ^ (x >> 27);
  }
  /// The same by other code, which rounds otherwise: that of tokens which come alone or apart.
  static uint64_t advanceAlone(uint64_t before, int32_t token) { return advance(before, token) ^ 0xA10E; }
  /// The token that follows a context, for choice `choice` of its request.
  static int32_t next(uint64_t kv, uint32_t choice) {
    return static_cast<int32_t>((kv + 77 * choice) % static_cast<uint64_t>(kVocabulary));
  }

  void move(const PageMove& move) {
    switch (move.kind) {
      case PageMove::Kind::kCopy:
        return copy(device_, move.from, device_, move.to);
      case PageMove::Kind::kSwapOut:
        return copy(device_, move.from, host_, move.to);
      case PageMove::Kind::kSwapIn:
        return copy(host_, move.from, device_, move.to);
      case PageMove::Kind::kClear:
        std::fill_n(page(device_, move.to), kPageTokens, 0);
    }
  }

  /// Writes the KV of an entry's tokens. Returns that of the last one. `spoilt`: writes what no context gives.
  /// `exact`: the number of tokens that come together shows in the result.
  uint64_t run(const StepSequence& entry, uint64_t salt, bool spoilt, bool exact = false) {
    const bool alone = exact && (entry.apart || entry.tokens.size() == 1);
    uint64_t kv = entry.start > 0 ? *slot(entry, entry.start - 1) : salt;
    for (uint32_t i = 0; i < entry.tokens.size(); ++i) {
      kv = (alone ? advanceAlone(kv, entry.tokens[i]) : advance(kv, entry.tokens[i])) ^ (spoilt ? 0xDEAD : 0);
      *slot(entry, entry.start + i) = kv;
    }
    return kv;
  }
  /// KV of token `position` as the pages have it.
  uint64_t read(const StepSequence& entry, uint32_t position) { return *slot(entry, position); }

 private:
  static uint64_t* page(std::vector<uint64_t>& memory, int32_t id) {
    return &memory[static_cast<size_t>(id) * kPageTokens];
  }
  static void copy(std::vector<uint64_t>& from, int32_t a, std::vector<uint64_t>& to, int32_t b) {
    std::copy_n(page(from, a), kPageTokens, page(to, b));
  }
  uint64_t* slot(const StepSequence& entry, uint32_t position) {
    return page(device_, entry.pages[position / kPageTokens]) + position % kPageTokens;
  }

  std::vector<uint64_t> device_, host_;  ///< [pages][16]
};

}  // namespace llmc::rt
