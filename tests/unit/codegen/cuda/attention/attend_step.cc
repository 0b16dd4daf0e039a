// Memory of the step, and what may differ: queries and weights are rounded to f16, results to bf16.
#include "tests/unit/codegen/cuda/attention/attend_step.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

namespace llmc {

static constexpr int64_t kLayer = 1, kLayers = 2, kPage = 16; // the second of two: the offset must count

static int64_t headBytes(const AttendCase &test) { return test.dim * kPage * 2; }
static int64_t layerBytes(const AttendCase &test) { return 2 * test.kvHeads * headBytes(test); }
static uint64_t resultStride(const AttendCase &test) {
  return rt::rowStrideBytes(test.columns() * (test.splits ? 4 : 2));
}

AttendStep::AttendStep(const AttendCase &test, const std::vector<std::pair<int, int>> &sequences) : test_(test) {
  int longest = 0;
  for (auto [added, before] : sequences)
    longest = std::max(longest, added + before);
  const int stride = (longest + 15) / 16 + 1;
  pages_ = stride * static_cast<int64_t>(sequences.size());
  std::mt19937 random(11);
  table_.resize(pages_);
  for (int64_t i = 0; i < pages_; ++i)
    table_[i] = static_cast<int32_t>(i);
  std::shuffle(table_.begin(), table_.end(), random);
  std::vector<reference::Sequence> parts;
  starts_.push_back(0);
  for (auto [added, before] : sequences) {
    auto row = table_.begin() + static_cast<int64_t>(parts.size()) * stride;
    parts.push_back({std::vector<int32_t>(added, 0), before, std::vector<int32_t>(row, row + stride)});
    starts_.push_back(starts_.back() + added);
  }
  batch_ = reference::makeBatch(parts);
  fillCache();
  query_ = reference::Tensor(tokens(), test.heads * test.dim);
  const int64_t floats = static_cast<int64_t>(rt::rowStrideBytes(query_.cols * 4)) / 4;
  queryRows_.assign((tokens() + 16) * floats, std::nanf(""));
  std::normal_distribution<float> normal(0, 1);
  for (int64_t t = 0; t < tokens(); ++t)
    for (int64_t c = 0; c < query_.cols; ++c)
      query_.at(t, c) = queryRows_[t * floats + c] = normal(random);
  words_.tokens = static_cast<int32_t>(tokens());
  words_.sequences = static_cast<int32_t>(sequences.size());
  words_.blockStride = stride;
  words_.positions = batch_.positions.data();
  words_.tokenSeq = batch_.tokenSeq.data();
  words_.queryStarts = starts_.data();
  words_.contextLens = batch_.contextLens.data();
  words_.blockTable = table_.data();
}

std::byte *AttendStep::cacheAddress(int64_t page, int64_t head, bool values) {
  return cacheBytes_.data() + (page * kLayers + kLayer) * layerBytes(test_) +
         (head + (values ? test_.kvHeads : 0)) * headBytes(test_);
}

/// NaN where no token has been written.
void AttendStep::fillCache() {
  cache_ = reference::KvCache(kLayers, test_.kvHeads, test_.dim, kPage, pages_);
  cacheBytes_.assign(pages_ * kLayers * layerBytes(test_), std::byte(0xff));
  std::mt19937 random(12);
  std::normal_distribution<float> normal(0, 1);
  for (size_t s = 0; s < batch_.contextLens.size(); ++s)
    for (int64_t token = 0; token < batch_.contextLens[s]; ++token)
      for (int64_t h = 0; h < test_.kvHeads; ++h)
        for (int64_t d = 0; d < test_.dim; ++d) {
          const int64_t page = batch_.blockTable[s][token / kPage], at = token % kPage;
          const auto key = static_cast<_Float16>(normal(random)), value = static_cast<_Float16>(normal(random));
          cache_.key(kLayer, h, page, at, d) = key;
          cache_.value(kLayer, h, page, at, d) = value;
          std::memcpy(cacheAddress(page, h, false) + (d * kPage + at) * 2, &key, 2);
          std::memcpy(cacheAddress(page, h, true) + (at * test_.dim + d) * 2, &value, 2);
        }
}

static uint32_t blocks(const GridDim &dim, int64_t tokens, int64_t sequences) {
  int64_t sum = dim.base + sequences * dim.seqCount;
  if (dim.tTile)
    sum += (tokens + dim.tTile - 1) / dim.tTile * dim.tCount;
  return static_cast<uint32_t>(std::max<int64_t>(1, sum));
}

rt::Status AttendStep::run(const KernelText &kernel, emu::PtxProgram &program, emu::LaunchChecks checks,
                           int spareSequences) {
  result_.assign((tokens() + 16) * resultStride(test_), std::byte(0xff));
  emu::MemoryMap memory;
  memory.add(queryRows_.data(), queryRows_.size() * 4, "queries", false);
  memory.add(cacheBytes_.data(), cacheBytes_.size(), "cache", false);
  memory.add(&words_, sizeof(words_), "batch", false);
  for (const std::vector<int32_t> *array : {&batch_.positions, &batch_.tokenSeq, &starts_, &batch_.contextLens,
                                            static_cast<std::vector<int32_t> *>(&table_)})
    memory.add(array->data(), array->size() * 4, "batch array", false);
  memory.add(result_.data(), tokens() * resultStride(test_), "result");
  checks.memory = &memory;
  const uint64_t words[] = {std::bit_cast<uint64_t>(queryRows_.data()),
                            std::bit_cast<uint64_t>(cacheBytes_.data() + kLayer * layerBytes(test_)),
                            std::bit_cast<uint64_t>(&words_), std::bit_cast<uint64_t>(result_.data())};
  const int64_t t = tokens() + spareSequences, s = words_.sequences + spareSequences;
  emu::Dim3 grid{blocks(kernel.grid[0], t, s), blocks(kernel.grid[1], t, s), blocks(kernel.grid[2], t, s)};
  return program.launch(kernel.symbol, grid, {static_cast<uint32_t>(kernel.threads), 1, 1},
                        static_cast<uint32_t>(kernel.sharedBytes), std::as_bytes(std::span(words)), checks);
}

void AttendStep::expectReference() {
  test_.splits ? expectParts() : expectRows();
  for (size_t i = tokens() * resultStride(test_); i < result_.size(); ++i)
    ASSERT_EQ(result_[i], std::byte(0xff)) << "wrote behind the last row";
}

/// Parts are sums relative to a largest score, which may differ by a rounding: compared are sums / l and m + log l.
void AttendStep::expectParts() {
  const reference::AttendParams params{kLayer, test_.heads, 1 / std::sqrt(double(test_.dim)), test_.window,
                                       test_.softcap};
  reference::Tensor expected = reference::attendPartial(query_, cache_, batch_, params, test_.splits);
  const int64_t dim = test_.dim;
  double worst = 0;
  for (int64_t t = 0; t < tokens(); ++t)
    for (int64_t part = 0; part < test_.heads * test_.splits; ++part) {
      const auto *got = reinterpret_cast<const float *>(result_.data() + t * resultStride(test_)) + part * (dim + 2);
      const double *want = &expected.at(t, part * (dim + 2));
      if (want[dim + 1] == 0) {
        ASSERT_TRUE(got[dim] == -INFINITY && got[dim + 1] == 0) << "token " << t << " part " << part << " is empty";
        continue;
      }
      const double level = std::abs(got[dim] + std::log(double(got[dim + 1])) - want[dim] - std::log(want[dim + 1]));
      ASSERT_LT(level, 3e-3) << "token " << t << " part " << part << ": m " << got[dim] << ", l " << got[dim + 1];
      for (int64_t d = 0; d < dim; ++d)
        worst = std::max(worst, std::abs(double(got[d]) / double(got[dim + 1]) - want[d] / want[dim + 1]));
      ASSERT_LT(worst, 5e-3) << "token " << t << " part " << part;
    }
  EXPECT_GT(worst, 1e-6) << "nothing was compared";
}

void AttendStep::expectRows() {
  const reference::AttendParams params{kLayer, test_.heads, 1 / std::sqrt(double(test_.dim)), test_.window,
                                       test_.softcap};
  reference::Tensor expected = reference::attend(query_, cache_, batch_, params);
  for (int64_t t = 0; t < tokens(); ++t)
    for (int64_t c = 0; c < expected.cols; ++c) {
      uint16_t bits = 0;
      std::memcpy(&bits, result_.data() + t * resultStride(test_) + c * 2, 2);
      const double got = std::bit_cast<float>(uint32_t(bits) << 16), want = expected.at(t, c);
      ASSERT_NEAR(got, want, 5e-3 + std::abs(want) / 256)
          << "token " << t << " head " << c / test_.dim << " column " << c % test_.dim;
    }
}

} // namespace llmc
