// Sizes of the cache: defaults, wishes, and refusals that show the numbers.
#include "runtime/kv/kv_plan.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

// SmolLM2-135M: 30 layers, 3 KV heads of 64, f16: 23040 bytes a token.
KvRequest smol() {
  KvRequest request;
  request.pageBytes = 30ull * 2 * 3 * 64 * 16 * 2;
  request.modelPositions = 8192;
  request.availableBytes = 8ull << 30;
  return request;
}

TEST(KvPlan, DefaultIsTheModelsWholeContext) {
  auto plan = planKv(smol());
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->contextTokens, 8192u);
  EXPECT_EQ(plan->pages, 512u);
  EXPECT_EQ(plan->bytes, 512 * smol().pageBytes);
}

TEST(KvPlan, DefaultShrinksToFreeMemory) {
  KvRequest request = smol();
  request.availableBytes = 40 * request.pageBytes;
  EXPECT_EQ(planKv(request)->contextTokens, 30u * 16);
}

TEST(KvPlan, WishedLengthNeedNotBeWholePages) {
  KvRequest request = smol();
  request.maxModelLen = 100;
  EXPECT_EQ(planKv(request)->contextTokens, 100u);
  EXPECT_EQ(planKv(request)->pages, 7u);
}

TEST(KvPlan, SequencesShareTheBudget) {
  KvRequest request = smol();
  request.sequences = 8;
  request.kvMemoryBytes = 64 * request.pageBytes;
  EXPECT_EQ(planKv(request)->contextTokens, 8u * 16);
  EXPECT_EQ(planKv(request)->pages, 64u);
}

TEST(KvPlan, LongerThanTheModelIsRefused) {
  KvRequest request = smol();
  request.maxModelLen = 8193;
  auto plan = planKv(request);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.status().code(), "RT_CONTEXT");
  EXPECT_EQ(exitStatus(plan.status().kind()), 64);
}

TEST(KvPlan, ContextThatDoesNotFitShowsBothSides) {
  KvRequest request = smol();
  request.maxModelLen = 4096;
  request.kvMemoryBytes = 1 << 20;
  auto plan = planKv(request);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.status().code(), "RT_KV_MEMORY");
  EXPECT_EQ(exitStatus(plan.status().kind()), 69);
  EXPECT_NE(plan.status().message().find("4096 tokens needs 90.0 MiB"), std::string::npos) << plan.status().message();
  EXPECT_NE(plan.status().message().find("1.00 MiB (32 tokens)"), std::string::npos) << plan.status().message();
}

TEST(KvPlan, LessThanOnePageIsRefused) {
  KvRequest request = smol();
  request.kvMemoryBytes = 100;
  EXPECT_FALSE(planKv(request));
}

TEST(KvPlan, MoreThanTheMachineHasIsRefusedWithNumbers) {
  KvRequest request;
  request.pageBytes = 1 << 20;
  request.modelPositions = 64;
  request.availableBytes = 10 << 20;
  request.machineBytes = 32 << 20;
  request.kvMemoryBytes = 32 << 20;
  EXPECT_TRUE(planKv(request)) << "more than is available now is the caller's to warn of";
  request.kvMemoryBytes = (32 << 20) + 1;
  auto refused = planKv(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(exitStatus(refused.status().kind()), 69);
  for (const char* part : {"asks for 32.0 MiB", "may have 32.0 MiB of memory", "10.0 MiB are available", "160 tokens"})
    EXPECT_NE(refused.status().message().find(part), std::string::npos) << refused.status().message();
  request.machineBytes = 0;
  EXPECT_TRUE(planKv(request)) << "a machine that says nothing";
}

TEST(KvPlan, HugeNumbersAreRefusedNotWrapped) {
  KvRequest request = smol();
  request.modelPositions = 1u << 28;
  request.sequences = 1u << 16;
  request.kvMemoryBytes = ~uint64_t{0};
  request.maxModelLen = 1u << 28;
  EXPECT_FALSE(planKv(request));
  EXPECT_FALSE(planKv(KvRequest{}));
}

TEST(KvPlan, TheHostKeepsWhatItHasRoomForAndSaysWhatItHasNot) {
  SwapRequest request;
  request.wishBytes = 100 << 20;
  request.pageBytes = 1 << 20;
  request.kvBytes = 30 << 20;
  request.availableBytes = 70 << 20;
  request.machineBytes = 120 << 20;
  EXPECT_EQ(*planSwap(request), 20u) << "half of what the cache leaves";
  request.given = true;
  const auto refused = planSwap(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.status().code(), "RT_SWAP_SPACE");
  EXPECT_EQ(exitStatus(refused.status().kind()), 69);
  for (const char* part :
       {"asks for 100.0 MiB beside a KV cache of 30.0 MiB", "120.0 MiB of memory in all", "70.0 MiB"})
    EXPECT_NE(refused.status().message().find(part), std::string::npos) << refused.status().message();
  request.wishBytes = 90 << 20;
  EXPECT_EQ(*planSwap(request), 90u);
  request.machineBytes = 0;
  request.wishBytes = ~uint64_t{0};
  EXPECT_EQ(*planSwap(request), INT32_MAX / 16) << "a machine that says nothing";
  request.wishBytes = (1 << 20) - 1;
  EXPECT_EQ(planSwap(request).status().code(), "CLI_FLAG");
  request.given = false;
  request.wishBytes = 100 << 20;
  request.availableBytes = request.kvBytes;
  EXPECT_EQ(planSwap(request).status().code(), "CLI_FLAG");
}

TEST(KvPlan, ADeviceGivesAllThatItHasLeftAndNoMore) {
  KvRequest request;
  request.pageBytes = 1000;
  request.modelPositions = 16 * 100;
  request.availableBytes = 50'000;
  request.onDevice = true;
  EXPECT_EQ(planKv(request)->pages, 50u);
  request.kvMemoryBytes = 50'001;
  auto plan = planKv(request);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.status().code(), "RT_KV_MEMORY");
  EXPECT_NE(plan.status().message().find("beside the engine the device has 48.8 KiB left"), std::string::npos);
  request.kvMemoryBytes = 0;
  request.maxModelLen = 16 * 60;
  EXPECT_NE(planKv(request).status().message().find("the device has left 48.8 KiB (800 tokens)"), std::string::npos)
      << planKv(request).status().message();
}

}  // namespace
}  // namespace llmc::rt
