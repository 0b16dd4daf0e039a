// The loop over the scripted device: the CPU's tokens bit for bit, with choices that share pages, preemption by swap
// and the prefix cache; a device that fails ends every answer with its error, and the loop.
#include "tests/unit/runtime/serving/cuda_loop.h"

namespace llmc::rt::serving::test {
namespace {

TEST_F(CudaLoop, GivesTheCpusTokensWithCopiesSwapsAndPrefixes) {
  std::mt19937 random(3);
  uint64_t preemptions = 0, hits = 0;
  for (int round = 0; round < 12; ++round) {
    const auto asked = requests(random, 10, 3);
    LoopSetup setup;
    setup.prefixCache = round % 3 != 0;
    setup.pages = 24;
    setup.hostPages = round % 2 ? 60 : 0;
    const LoopResult cpu = runLoop(host_, setup, asked), gpu = runLoop(host_, onDevice(setup), asked);
    ASSERT_TRUE(gpu.status) << gpu.status.toString();
    EXPECT_EQ(gpu.outputs, cpu.outputs) << round;
    preemptions += gpu.stats.preemptions;
    hits += gpu.stats.prefixCacheHits;
  }
  EXPECT_GT(preemptions, 10u);
  EXPECT_GT(hits, 10u);
  EXPECT_EQ(device_.scripted.script().graphLaunches, 0u);  // the programs for any step alone
}

// Every way to sample, those among them that only the host has, beside one another.
TEST_F(CudaLoop, SampledOnTheDeviceOrOnTheHostTheTokensAreTheCpus) {
  std::mt19937 random(9);
  for (int round = 0; round < 6; ++round) {
    auto asked = requests(random, 12, 2);
    for (auto& request : asked) {
      SamplingParams& params = request.sampling;
      if (random() % 2) params.topK = 1 + static_cast<int32_t>(random() % 12);
      if (random() % 2) params.topP = 0.7;
      if (random() % 3 == 0) params.minP = 0.05;
      if (random() % 3 == 0) params.repetitionPenalty = 1.2;
      if (random() % 3 == 0) params.frequencyPenalty = 0.3;
      if (random() % 4 == 0) params.logitBias = {{7, 1.5F}, {FakeEngine::kPoison, -5.0F}};
      if (random() % 4 == 0) params.minTokens = 10;
      if (random() % 5 == 0) params.typicalP = 0.8;
      if (random() % 5 == 0) params.badWords = {{3, 4}, {11}};
      params.logprobs = random() % 5 == 0 ? 2 : -1;  // with them a row is the host's
    }
    const LoopResult cpu = runLoop(host_, {}, asked), gpu = runLoop(host_, onDevice({}), asked);
    ASSERT_TRUE(gpu.status) << gpu.status.toString();
    EXPECT_EQ(gpu.outputs, cpu.outputs) << round;
  }
}

// A context with the token of poison has logits that are no numbers: the device leaves the row to the host, which says
// so, and whose row it was.
TEST_F(CudaLoop, RowsThatAreNoNumbersEndTheirRequestAloneAndAreTold) {
  for (const bool ahead : {false, true})
    for (const int32_t logprobs : {1, -1}) {  // the host's rows, the device's
      std::mt19937 random(10);
      auto asked = requests(random, 4, 1);
      for (auto& request : asked) request.sampling.logprobs = logprobs;
      asked[2].prompt.push_back(FakeEngine::kPoison);
      asked[2].requestId = "bad\nline";
      LoopSetup setup = onDevice({});
      setup.asyncScheduling = ahead;
      const LoopResult result = runLoop(host_, setup, asked);
      ASSERT_TRUE(result.status) << result.status.toString();
      for (const auto& request : asked)
        EXPECT_EQ(result.outputs.at(request.id)[0].end, request.id == asked[2].id ? "RT_LOGITS" : "length")
            << request.id;
      const std::string where = std::to_string(asked[2].prompt.size()) + " of choice 0";
      const std::string wanted = "request bad\\x0aline failed: error[RT_LOGITS] no token at position " + where +
                                 (logprobs < 0 ? ", which the device was to sample" : "") + ": logit of token 0 is ";
      ASSERT_EQ(result.notices.size(), 1u);
      EXPECT_EQ(result.notices[0].substr(0, wanted.size()), wanted);
      EXPECT_NE(result.notices[0].find("nan, 40 of 40 are not finite; "), std::string::npos) << result.notices[0];
    }
}

// What the request itself rules out is its client's to hear, not a fault of ours.
TEST_F(CudaLoop, RowsWithoutAnAllowedTokenAreNoFaultOfOurs) {
  auto request = requestOf(1, {1, 2, 3}, 4);
  request.sampling.logprobs = -1;
  request.sampling.minTokens = 4;
  for (int32_t id = 0; id < 40; ++id) request.stopIds.push_back(id);
  const LoopResult result = runLoop(host_, onDevice({}), {request});
  ASSERT_TRUE(result.status) << result.status.toString();
  EXPECT_EQ(result.outputs.at(1)[0].end, "RT_NO_TOKEN");
  EXPECT_TRUE(result.notices.empty()) << result.notices[0];
}

TEST_F(CudaLoop, DecodedStepsRunGraphs) {
  std::mt19937 random(4);
  LoopSetup setup;
  setup.deterministic = false;
  setup.numerics = Numerics::kFast;
  const LoopResult result = runLoop(host_, onDevice(setup), requests(random, 6, 1));
  EXPECT_TRUE(result.status) << result.status.toString();
  for (const auto& [id, output] : result.outputs) EXPECT_EQ(output[0].end, "length");
  EXPECT_GT(device_.scripted.script().graphLaunches, 20u);
}

TEST_F(CudaLoop, AFaultInTheMiddleEndsEveryAnswerAndTheLoop) {
  std::mt19937 random(5);
  const auto asked = requests(random, 6, 2);
  failAfter_ = 100;
  const LoopResult result = runLoop(host_, onDevice({}), asked);
  EXPECT_EQ(result.status.code(), "CU_FAULT");
  EXPECT_EQ(exitStatus(result.status.kind()), 71);
  for (const auto& [id, output] : result.outputs)
    for (const ChoiceOutput& choice : output) EXPECT_EQ(choice.end, "CU_FAULT") << id;
}

// Some stand in the inbox when a step fails, some come later: nobody waits for an answer that never comes.
TEST_F(CudaLoop, WhoComesWhileAStepFailsHearsItToo) {
  failCode_ = 1;  // no fault that stays: the next round runs on the same device
  size_t ended = 0, refused = 0;
  for (failAfter_ = 40; failAfter_ <= 80; ++failAfter_) {
    std::mt19937 random(5);
    auto asked = requests(random, 8, 1);
    for (auto& request : asked) request.sampling.logprobs = -1;  // steps are started ahead
    const LoopResult result = runLoop(host_, onDevice({}), asked, {0, 2, 4, 6, 8, 10, 12, 14});
    EXPECT_EQ(result.status.code(), "CU_CALL") << failAfter_;
    for (const auto& [id, output] : result.outputs) {
      EXPECT_FALSE(output[0].end.empty()) << "request " << id << " when call " << failAfter_ << " fails";
      ended += output[0].end == "CU_CALL";
      refused += output[0].end == "SV_BROKEN";
    }
  }
  EXPECT_GT(ended, 40u);
  EXPECT_GT(refused, 40u);
}

}  // namespace
}  // namespace llmc::rt::serving::test
