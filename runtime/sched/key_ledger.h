// How much service each API key got: the one served least goes first among equals.
//
// Virtual token counters after "Fairness in Serving Large Language Models" (Sheng et al., OSDI 2024): a key that comes
// back from idling is lifted to the least served active key, so that nobody saves up a claim to the whole machine.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace llmc::rt {

/// One thread. enter() may allocate; the rest is O(1) and does not.
class KeyLedger {
 public:
  /// Idle accounts beyond `remembered` are forgotten, least served first.
  explicit KeyLedger(uint32_t remembered = 4096) : remembered_(remembered) {}

  /// A request of `key` begins to exist. Returns its account, valid until leave(). O(accounts).
  uint32_t enter(uint64_t key);
  void leave(uint32_t account) { --accounts_[account].requests; }
  /// `cost`: tokens, weighted by what they cost.
  void charge(uint32_t account, double cost) { accounts_[account].service += cost; }
  double service(uint32_t account) const { return accounts_[account].service; }

  void addRunning(uint32_t account, int32_t sequences) { accounts_[account].running += sequences; }
  int32_t running(uint32_t account) const { return accounts_[account].running; }
  uint32_t accounts() const { return static_cast<uint32_t>(accounts_.size()); }

 private:
  struct Account {
    uint64_t key = 0;
    double service = 0;
    uint32_t requests = 0;  ///< that exist
    int32_t running = 0;    ///< sequences
  };
  uint32_t openAccount(uint64_t key);

  const uint32_t remembered_;
  std::vector<Account> accounts_;
  std::unordered_map<uint64_t, uint32_t> byKey_;
};

}  // namespace llmc::rt
