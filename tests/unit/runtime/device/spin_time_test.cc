// SpinTime: alone until a look sees others, and again a while after the last that did.
#include "runtime/device/spin_time.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

constexpr uint64_t kBegin = 7'000'000'000, kMillisecond = 1'000'000;
constexpr uint64_t kMuch = 4 * kMillisecond, kLittle = kMillisecond;  // of a look of 10
static_assert(static_cast<double>(kMuch) > SpinTime::kTaken * static_cast<double>(SpinTime::kLook));
static_assert(static_cast<double>(kLittle) < SpinTime::kTaken * static_cast<double>(SpinTime::kLook));

/// After its first look, at kBegin.
SpinTime begun() {
  SpinTime spin;
  spin.look(kBegin, 0);
  return spin;
}

TEST(SpinTime, IsAloneBeforeAnyLook) {
  const SpinTime spin;
  EXPECT_TRUE(spin.alone(kBegin));
  EXPECT_TRUE(spin.wantsLook(kBegin));
}

TEST(SpinTime, LooksOnceAStretch) {
  const SpinTime spin = begun();
  EXPECT_FALSE(spin.wantsLook(kBegin + SpinTime::kLook - 1));
  EXPECT_TRUE(spin.wantsLook(kBegin + SpinTime::kLook));
}

TEST(SpinTime, ARivalEndsItAtTheNextLook) {
  SpinTime spin = begun();
  const uint64_t next = kBegin + SpinTime::kLook;
  spin.look(next, kMuch);
  EXPECT_FALSE(spin.alone(next));
  EXPECT_FALSE(spin.alone(next + SpinTime::kPause - 1));
  EXPECT_TRUE(spin.alone(next + SpinTime::kPause));
}

TEST(SpinTime, ARivalThatStaysIsSeenAnew) {
  SpinTime spin = begun();
  const uint64_t next = kBegin + SpinTime::kLook, third = next + SpinTime::kLook;
  spin.look(next, kMuch);
  spin.look(third, 2 * kMuch);
  EXPECT_FALSE(spin.alone(next + SpinTime::kPause));
  EXPECT_TRUE(spin.alone(third + SpinTime::kPause));
}

TEST(SpinTime, ADaemonIsNoRival) {
  SpinTime spin = begun();
  const uint64_t next = kBegin + SpinTime::kLook;
  spin.look(next, kLittle);
  EXPECT_TRUE(spin.alone(next));
}

TEST(SpinTime, WhatWasBeforeAPauseBetweenStepsDoesNotCount) {
  SpinTime spin = begun();
  const uint64_t later = kBegin + SpinTime::kStale + 1;
  spin.look(later, SpinTime::kStale);
  EXPECT_TRUE(spin.alone(later));
  spin.look(later + SpinTime::kLook, SpinTime::kStale + kMuch);  // but what came after it does
  EXPECT_FALSE(spin.alone(later + SpinTime::kLook));
}

}  // namespace
}  // namespace llmc::rt
