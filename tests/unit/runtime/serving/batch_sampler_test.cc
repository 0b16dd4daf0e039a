// Many rows on many workers get what one sampler gives them one by one.
#include "runtime/serving/batch_sampler.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace llmc::rt::serving {
namespace {

constexpr uint32_t kVocabulary = 3000;

TEST(BatchSampler, GivesWhatOneSamplerGives) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 3);
  std::vector<std::vector<float>> rows(60, std::vector<float>(kVocabulary));
  std::vector<SamplingParams> params(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    for (float& x : rows[i]) x = normal(random);
    params[i].temperature = i % 3 == 0 ? 0 : 0.8;
    params[i].topP = i % 4 == 1 ? 0.9 : 1;
    params[i].topK = i % 5 == 2 ? 20 : 0;
    params[i].seed = i;
    params[i].logprobs = i % 2 == 0 ? 3 : -1;
  }
  rows[17][400] = std::numeric_limits<float>::quiet_NaN();
  Sampler one(kVocabulary);
  for (const int threads : {1, 2, 4}) {
    auto pool = WorkerPool::create({.threads = threads, .pin = false}).take();
    BatchSampler sampler(*pool, kVocabulary);
    for (const size_t count : {size_t{0}, size_t{1}, size_t{3}, rows.size()}) {
      std::vector<SampleTask> tasks(count);
      std::vector<TokenLogprobs> logprobs(count);
      for (size_t i = 0; i < count; ++i) {
        tasks[i].logits = rows[i];
        tasks[i].request.params = &params[i];
        tasks[i].request.position = i * 7;
        tasks[i].logprobs = &logprobs[i];
      }
      sampler.run(tasks);
      for (size_t i = 0; i < count; ++i) {
        TokenLogprobs wanted;
        auto token = one.sample(rows[i], tasks[i].request, &wanted);
        EXPECT_EQ(tasks[i].failure != nullptr, i == 17);
        if (!token) {
          EXPECT_EQ(tasks[i].failure->code(), "RT_LOGITS");
          continue;
        }
        EXPECT_EQ(tasks[i].token, *token);
        EXPECT_EQ(logprobs[i].logprob, wanted.logprob);
        EXPECT_EQ(logprobs[i].top, wanted.top);
      }
    }
  }
}

TEST(BatchSampler, TakesTheBestOfTilesWhereThereAreSome) {
  auto pool = WorkerPool::create({.threads = 2, .pin = false}).take();
  BatchSampler sampler(*pool, kVocabulary);
  const std::vector<float> tiles = {1, 5, 5, 3, 20, 40}, bad = {1, std::numeric_limits<float>::infinity(), 3, 21};
  std::vector<std::vector<float>> rows(40, std::vector<float>(kVocabulary));
  SamplingParams greedy;
  greedy.temperature = 0;
  std::vector<SampleTask> tasks(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i][i + 100] = 1;
    tasks[i].request.params = &greedy;
    if (i % 3 == 0)
      tasks[i].tiles = i == 9 ? bad : tiles;
    else
      tasks[i].logits = rows[i];
  }
  sampler.run(tasks);
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(tasks[i].failure != nullptr, i == 9) << i;
    if (i != 9) EXPECT_EQ(tasks[i].token, i % 3 == 0 ? 20 : static_cast<int32_t>(i) + 100) << i;
  }
  EXPECT_EQ(tasks[9].failure->code(), "RT_LOGITS");
}

}  // namespace
}  // namespace llmc::rt::serving
