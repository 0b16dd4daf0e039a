// generation_config to parameters, and flags above them.
#include "runtime/main/sampling_defaults.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

TEST(SamplingDefaults, NothingSaidMeansGreedy) {
  EXPECT_EQ(readDefaults("")->params.temperature, 0);
  EXPECT_EQ(readDefaults("{}")->params.temperature, 0);
  EXPECT_EQ(readDefaults(R"({"do_sample": false, "temperature": 0.7})")->params.temperature, 0);
}

TEST(SamplingDefaults, ReadsTheModelsWishes) {
  auto defaults = readDefaults(
      R"({"do_sample": true, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.1,
          "eos_token_id": [2, 7], "unknown": {"x": 1}})");
  ASSERT_TRUE(defaults);
  EXPECT_DOUBLE_EQ(defaults->params.temperature, 0.6);
  EXPECT_DOUBLE_EQ(defaults->params.topP, 0.9);
  EXPECT_EQ(defaults->params.topK, 20);
  EXPECT_DOUBLE_EQ(defaults->params.repetitionPenalty, 1.1);
  EXPECT_EQ(defaults->eosIds, (std::vector<int32_t>{2, 7}));
  EXPECT_EQ(readDefaults(R"({"eos_token_id": 3})")->eosIds, (std::vector<int32_t>{3}));
  EXPECT_EQ(readDefaults(R"({"do_sample": true})")->params.temperature, 1);
}

TEST(SamplingDefaults, RefusesBrokenOnes) {
  for (const char* text : {"[", "[]", "3", R"({"temperature": -1})", R"({"top_p": 7})"}) {
    auto defaults = readDefaults(text);
    ASSERT_FALSE(defaults) << text;
    EXPECT_EQ(defaults.status().code(), "EN_DEFAULTS");
    EXPECT_EQ(exitStatus(defaults.status().kind()), 65);
  }
}

TEST(SamplingDefaults, FlagsWin) {
  auto defaults = readDefaults(R"({"temperature": 0.6, "top_p": 0.9})");
  Flags flags;
  flags.temperature = 0;
  flags.topK = 5;
  flags.seed = 12;
  const SamplingParams params = applyFlags(defaults->params, flags);
  EXPECT_EQ(params.temperature, 0);
  EXPECT_DOUBLE_EQ(params.topP, 0.9);
  EXPECT_EQ(params.topK, 5);
  EXPECT_EQ(params.seed, 12u);
  EXPECT_NE(applyFlags(params, Flags{}).seed, applyFlags(params, Flags{}).seed);
}

}  // namespace
}  // namespace llmc::rt
