// Accounts in a vector, found by key.
#include "runtime/sched/key_ledger.h"

#include <algorithm>
#include <limits>

namespace llmc::rt {

uint32_t KeyLedger::openAccount(uint64_t key) {
  uint32_t place = static_cast<uint32_t>(accounts_.size());
  if (accounts_.size() >= remembered_) {
    double least = std::numeric_limits<double>::infinity();
    for (uint32_t i = 0; i < accounts_.size(); ++i)
      if (accounts_[i].requests == 0 && accounts_[i].service < least) least = accounts_[place = i].service;
  }
  if (place == accounts_.size())
    accounts_.emplace_back();
  else
    byKey_.erase(accounts_[place].key);
  accounts_[place] = {key, 0, 0, 0};
  byKey_[key] = place;
  return place;
}

uint32_t KeyLedger::enter(uint64_t key) {
  const auto found = byKey_.find(key);
  const uint32_t account = found != byKey_.end() ? found->second : openAccount(key);
  if (accounts_[account].requests++ > 0) return account;
  double least = std::numeric_limits<double>::infinity();
  for (uint32_t i = 0; i < accounts_.size(); ++i)
    if (i != account && accounts_[i].requests > 0) least = std::min(least, accounts_[i].service);
  if (least < std::numeric_limits<double>::infinity())
    accounts_[account].service = std::max(accounts_[account].service, least);
  return account;
}

}  // namespace llmc::rt
