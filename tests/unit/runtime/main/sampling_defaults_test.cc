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

TEST(SamplingDefaults, AServerSamplesAsVllmDoes) {
  EXPECT_EQ(readDefaults("")->served.temperature, 1);
  EXPECT_EQ(readDefaults(R"({"top_p": 0.5})")->served.temperature, 1);
  EXPECT_EQ(readDefaults(R"({"top_p": 0.5})")->served.topP, 0.5);
  EXPECT_EQ(readDefaults(R"({"do_sample": false, "temperature": 0.7})")->served.temperature, 0.7);
  EXPECT_EQ(readDefaults(R"({"do_sample": false})")->served.temperature, 1);
  EXPECT_EQ(readDefaults(R"({"temperature": 0})")->served.temperature, 0) << "the model may wish it";
}

TEST(SamplingDefaults, EnginesOfOlderBuildsAreSuspected) {
  EXPECT_TRUE(readDefaults(R"({"temperature": 0.0, "top_p": 0.9})")->perhapsReplaced);
  EXPECT_FALSE(readDefaults(R"({"do_sample": false, "temperature": 0.0})")->perhapsReplaced);
  EXPECT_FALSE(readDefaults(R"({"temperature": 0.6})")->perhapsReplaced);
  EXPECT_FALSE(readDefaults("{}")->perhapsReplaced);
}

TEST(SamplingDefaults, AreSaidInWords) {
  EXPECT_EQ(samplingText(readDefaults("")->served), "temperature 1");
  EXPECT_EQ(samplingText(readDefaults(R"({"temperature": 0.6, "top_p": 0.95, "top_k": 20})")->served),
            "temperature 0.6, top_p 0.95, top_k 20");
}

TEST(SamplingDefaults, FlagsOfAServerComeOverTheModels) {
  const SamplingDefaults model = *readDefaults(R"({"temperature": 0.6, "top_p": 0.9, "min_p": 0.1})");
  Flags flags;
  EXPECT_EQ(servedDefaults(model, flags)->temperature, 0.6);
  flags.overrideGenerationConfig = R"({"temperature": 0.3, "top_k": 7})";
  EXPECT_EQ(servedDefaults(model, flags)->temperature, 0.3);
  EXPECT_EQ(servedDefaults(model, flags)->topP, 0.9);
  flags.temperature = 0.2;
  EXPECT_EQ(servedDefaults(model, flags)->temperature, 0.2);
  EXPECT_EQ(servedDefaults(model, flags)->topK, 7);
  flags = {};
  flags.generationConfig = "vllm";
  EXPECT_EQ(servedDefaults(model, flags)->temperature, 1);
  EXPECT_EQ(servedDefaults(model, flags)->topP, 1);
  EXPECT_EQ(servedDefaults(model, flags)->minP, 0);
}

TEST(SamplingDefaults, MistakesInAServersFlagsAreNamed) {
  const auto refused = [](const std::string& config, const std::string& json) {
    Flags flags;
    flags.generationConfig = config;
    flags.overrideGenerationConfig = json;
    const auto params = servedDefaults({}, flags);
    EXPECT_FALSE(params) << config << json;
    return params ? std::string() : params.status().code() + ": " + params.status().message();
  };
  EXPECT_NE(refused("folder", "").find("--generation-config must be auto"), std::string::npos);
  EXPECT_NE(refused("auto", "{").find("is no JSON object"), std::string::npos);
  EXPECT_NE(refused("auto", R"({"do_sample": true})").find("does not know 'do_sample'"), std::string::npos);
  EXPECT_NE(refused("auto", R"({"top_k": 2.5})").find("no whole number"), std::string::npos);
  EXPECT_NE(refused("auto", R"({"temperature": "hot"})").find("no number"), std::string::npos);
  EXPECT_NE(refused("auto", R"({"temperature": -1})").find("out of range"), std::string::npos);
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
