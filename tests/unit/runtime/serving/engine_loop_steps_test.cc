// Steps that start before the tokens of the one before are known: the same answers as without, whatever ends in the
// middle, and the device is never waited for too late.
#include <fstream>
#include <sstream>

#include "tests/unit/runtime/exec/cuda/fake_sampler.h"
#include "tests/unit/runtime/serving/cuda_loop.h"

namespace llmc::rt::serving::test {
namespace {

class AheadLoop : public CudaLoop {
 protected:
  AheadLoop() : trace_(testing::TempDir() + "ahead-" + std::to_string(::getpid()) + ".json") {}
  ~AheadLoop() override {
    rt::test::drawsLeftToHost = 0;
    (void)std::remove(trace_.c_str());
  }

  /// Requests whose tokens the device samples, some with stop tokens that come, some with the least number of them.
  std::vector<server::GenerationRequest> sampled(std::mt19937& random, size_t count, uint32_t choices) {
    auto made = requests(random, count, choices);
    for (auto& request : made) {
      SamplingParams& params = request.sampling;
      params.logprobs = -1;
      if (random() % 2) request.stopIds = {static_cast<int32_t>(random() % 38), static_cast<int32_t>(random() % 38)};
      if (random() % 3 == 0) params.minTokens = random() % 12;
      if (random() % 3 == 0) params.topK = 1 + static_cast<int32_t>(random() % 12);
      if (random() % 3 == 0) params.logitBias = {{7, 1.5F}};
    }
    return made;
  }

  /// On the device; counts the steps that were started ahead.
  LoopResult run(LoopSetup setup, const std::vector<server::GenerationRequest>& asked, uint32_t* ahead,
                 const std::vector<uint32_t>& when = {}) {
    setup.trace = trace_;
    const LoopResult result = runLoop(host_, onDevice(setup), asked, when);
    EXPECT_EQ(device_.scripted.script().changedSources, 0u);
    std::stringstream text;
    text << std::ifstream(trace_).rdbuf();
    for (size_t at = 0; (at = text.view().find("\"start ahead\"", at)) != std::string_view::npos; ++at) ++*ahead;
    return result;
  }

  /// The same on the CPU, on the device step by step, and on the device with steps ahead. The number of those.
  uint32_t compare(const LoopSetup& setup, const std::vector<server::GenerationRequest>& asked,
                   const std::vector<uint32_t>& when = {}) {
    uint32_t none = 0, ahead = 0;
    LoopSetup waits = setup;
    waits.asyncScheduling = false;
    const LoopResult cpu = runLoop(host_, setup, asked, when);
    const LoopResult without = run(waits, asked, &none, when), with = run(setup, asked, &ahead, when);
    EXPECT_TRUE(with.status) << with.status.toString();
    EXPECT_EQ(without.outputs, cpu.outputs);
    EXPECT_EQ(with.outputs, cpu.outputs);
    EXPECT_EQ(none, 0u);
    preemptions_ += with.stats.preemptions;
    hits_ += with.stats.prefixCacheHits;
    for (const auto& [id, output] : with.outputs)
      for (const ChoiceOutput& choice : output) ++ends_[choice.end];
    return ahead;
  }

  const std::string trace_;
  uint64_t preemptions_ = 0, hits_ = 0;
  std::map<std::string, int> ends_;
};

TEST_F(AheadLoop, StopsAndLengthsInTheMiddleLeaveTheOthersTokensAlone) {
  std::mt19937 random(21);
  uint32_t ahead = 0;
  for (int round = 0; round < 8; ++round) ahead += compare({}, sampled(random, 8, 1));
  EXPECT_GT(ahead, 200u);
  EXPECT_GT(ends_["stop"], 10);
  EXPECT_GT(ends_["length"], 10);
}

TEST_F(AheadLoop, PreemptionPrefixesAndChoicesThatSharePages) {
  std::mt19937 random(22);
  uint32_t ahead = 0;
  for (int round = 0; round < 12; ++round) {
    LoopSetup setup;
    setup.prefixCache = round % 3 != 0;
    setup.pages = 24;
    setup.hostPages = round % 2 ? 60 : 0;
    ahead += compare(setup, sampled(random, 10, 3));
  }
  EXPECT_GT(ahead, 200u);
  EXPECT_GT(preemptions_, 10u);
  EXPECT_GT(hits_, 10u);
}

TEST_F(AheadLoop, RequestsThatComeAndAreCancelledInTheMiddle) {
  std::mt19937 random(23);
  uint32_t ahead = 0;
  for (int round = 0; round < 8; ++round) {
    const auto asked = sampled(random, 16, 1);
    LoopSetup setup;
    std::vector<uint32_t> when;
    for (uint32_t i = 0; i < asked.size(); ++i) {
      when.push_back(i * 20);
      if (random() % 2) setup.cancelAfter[asked[i].id] = 1 + random() % 30;
    }
    ahead += compare(setup, asked, when);
  }
  EXPECT_GT(ahead, 200u);
  EXPECT_GT(ends_["cancelled"], 20);
}

/// Penalties and log probabilities wait for the host, so that steps with them start one after the other.
TEST_F(AheadLoop, RowsOfTheHostBesideThoseOfTheDevice) {
  std::mt19937 random(24);
  for (int round = 0; round < 6; ++round) {
    auto asked = sampled(random, 10, 2);
    for (auto& request : asked) {
      if (random() % 4 == 0) request.sampling.logprobs = 2;
      if (random() % 4 == 0) request.sampling.frequencyPenalty = 0.3;
      if (random() % 4 == 0) request.sampling.typicalP = 0.8;
      if (random() % 8 == 0) request.promptLogprobs = 1;
    }
    (void)compare({}, asked);
  }
  for (auto& request : sampled(random, 3, 1)) {
    request.sampling.repetitionPenalty = 1.2;
    EXPECT_EQ(compare({}, {request}), 0u);
    request.sampling.repetitionPenalty = 1;
    request.stopIds.clear();
    EXPECT_GT(compare({}, {request}), request.maxTokens - 4);
  }
}

/// Its logits are gone once the next step is under way: the row is computed again.
TEST_F(AheadLoop, DrawsThatTheDeviceLeavesToTheHost) {
  std::mt19937 random(25);
  uint32_t ahead = 0;
  for (const uint64_t every : {7, 3, 1}) {
    rt::test::drawsLeftToHost = every;
    LoopSetup setup;
    setup.pages = 28;
    ahead += compare(setup, sampled(random, 8, 2));
  }
  EXPECT_GT(ahead, 50u);
}

/// A bias makes the first token the one whose context has no numbers.
TEST_F(AheadLoop, RowsThatBecomeNoNumbersEndTheirRequestAlone) {
  std::mt19937 random(26);
  auto asked = sampled(random, 6, 2);
  for (const size_t i : {1, 4}) {
    asked[i].sampling.logitBias = {{FakeEngine::kPoison, 200.0F}};
    asked[i].sampling.temperature = 0;
    asked[i].sampling.minTokens = 0;
    asked[i].stopIds.clear();
  }
  EXPECT_GT(compare({}, asked), 20u);
  EXPECT_EQ(ends_["RT_LOGITS"], static_cast<int>(asked[1].choices + asked[4].choices));
}

TEST_F(AheadLoop, WithoutDeterminismTheProgramsForDecodedStepsRun) {
  std::mt19937 random(27);
  LoopSetup setup;
  setup.deterministic = false;
  setup.numerics = Numerics::kFast;
  uint32_t ahead = 0;
  auto asked = sampled(random, 6, 1);
  for (auto& request : asked) request.stopIds.clear();
  const LoopResult result = run(setup, asked, &ahead);
  EXPECT_TRUE(result.status) << result.status.toString();
  for (const auto& request : asked) EXPECT_EQ(result.outputs.at(request.id)[0].tokens.size(), request.maxTokens);
  EXPECT_GT(ahead, 40u);
  EXPECT_GT(device_.scripted.script().graphLaunches, 40u);
}

/// A device that fails at some call, with one step under way or two.
class FailingLoop : public AheadLoop, public testing::WithParamInterface<int> {};

TEST_P(FailingLoop, EndsEveryAnswerWithTheError) {
  std::mt19937 random(28);
  const auto asked = sampled(random, 6, 2);
  const LoopResult whole = runLoop(host_, {}, asked);
  failAfter_ = static_cast<uint64_t>(GetParam());
  const LoopResult result = runLoop(host_, onDevice({}), asked);
  EXPECT_EQ(result.status.code(), "CU_FAULT");
  int failed = 0;
  for (const auto& [id, output] : result.outputs)
    for (size_t choice = 0; choice < output.size(); ++choice) {
      const ChoiceOutput &got = output[choice], &wanted = whole.outputs.at(id)[choice];
      failed += got.end == "CU_FAULT";
      if (got.end != "CU_FAULT") {
        EXPECT_EQ(got, wanted) << id;
        continue;
      }
      ASSERT_LE(got.tokens.size(), wanted.tokens.size());
      EXPECT_TRUE(std::equal(got.tokens.begin(), got.tokens.end(), wanted.tokens.begin())) << id;
    }
  EXPECT_GT(failed, 0);
}

INSTANTIATE_TEST_SUITE_P(Calls, FailingLoop, testing::Values(20, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 150));

}  // namespace
}  // namespace llmc::rt::serving::test
