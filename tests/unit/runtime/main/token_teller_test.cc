// Every token is told by a thread that was asleep.
#include "runtime/main/token_teller.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <thread>

namespace llmc::rt {
namespace {

bool eventually(const TokenTeller& teller, uint64_t tokens) {
  for (int i = 0; i < 500 && teller.told() < tokens; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return teller.told() == tokens;
}

TEST(TokenTeller, TellsEveryTokenOnce) {
  auto teller = TokenTeller::create();
  ASSERT_TRUE(teller) << teller.status().toString();
  uint64_t tokens = 0;
  for (const uint32_t step : {1u, 2u, 5u, 0u, 64u}) {
    (*teller)->tell(step);
    tokens += step;
    EXPECT_TRUE(eventually(**teller, tokens)) << step;
  }
  const int none[] = {1 << 20};  // no such CPU: all others stay
  (*teller)->keepOff(none);
  (*teller)->tell(3);
  EXPECT_TRUE(eventually(**teller, tokens + 3));
}

TEST(TokenTeller, SaysWhenThereIsNoConnection) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto teller = TokenTeller::create();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(teller);
  EXPECT_EQ(teller.status().code(), "RT_TELLER");
}

}  // namespace
}  // namespace llmc::rt
