// Accounts of keys: charges, idle keys that come back, and keys beyond what is remembered.
#include "runtime/sched/key_ledger.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

TEST(KeyLedger, ChargesTheAccountOfAKey) {
  KeyLedger ledger;
  const uint32_t a = ledger.enter(7), b = ledger.enter(8);
  EXPECT_EQ(ledger.enter(7), a);
  ledger.charge(a, 10);
  EXPECT_EQ(ledger.service(a), 10);
  EXPECT_EQ(ledger.service(b), 0);
  ledger.addRunning(a, 2);
  EXPECT_EQ(ledger.running(a), 2);
}

TEST(KeyLedger, NobodySavesUpWhileIdle) {
  KeyLedger ledger;
  const uint32_t idle = ledger.enter(1);
  ledger.leave(idle);
  const uint32_t busy = ledger.enter(2);
  ledger.charge(busy, 1000);
  EXPECT_EQ(ledger.service(ledger.enter(1)), 1000) << "else it would have the machine alone for 1000 tokens";
  EXPECT_EQ(ledger.service(ledger.enter(3)), 1000);
}

TEST(KeyLedger, LeavingDoesNotWipeADebt) {
  KeyLedger ledger;
  const uint32_t a = ledger.enter(1);
  ledger.charge(a, 500);
  ledger.leave(a);
  ledger.enter(2);
  EXPECT_EQ(ledger.service(ledger.enter(1)), 500);
}

TEST(KeyLedger, ForgetsIdleKeysOnlyAndOnlyWhenItMust) {
  KeyLedger ledger(2);
  const uint32_t a = ledger.enter(1), b = ledger.enter(2);
  ledger.charge(a, 5);
  const uint32_t c = ledger.enter(3);
  EXPECT_EQ(ledger.accounts(), 3u) << "all are active";
  ledger.leave(c);
  EXPECT_EQ(ledger.enter(4), c);
  EXPECT_EQ(ledger.accounts(), 3u);
  EXPECT_EQ(ledger.service(a), 5);
  EXPECT_EQ(ledger.enter(2), b);
}

}  // namespace
}  // namespace llmc::rt
