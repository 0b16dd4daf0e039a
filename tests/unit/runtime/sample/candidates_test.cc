// The k best against a full sort, for k around the number of blocks and with many equal logits.
#include "runtime/sample/candidates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace llmc::rt {
namespace {

void checkAgainstSort(const std::vector<float>& row) {
  std::vector<Candidate> sorted;
  for (size_t i = 0; i < row.size(); ++i) sorted.push_back({static_cast<int32_t>(i), row[i], 0});
  std::sort(sorted.begin(), sorted.end(), better);
  TopSelector selector(static_cast<uint32_t>(row.size()));
  selector.setRow(row);
  for (uint32_t k : {1u, 2u, 5u, 40u, 78u, 79u, 80u, 1000u, 4999u, 5000u, 9000u}) {
    const auto& found = selector.take(k);
    ASSERT_EQ(found.size(), std::min<size_t>(k, row.size()));
    for (size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i].id, sorted[i].id) << k << " " << i;
  }
}

TEST(TopSelector, FindsTheBestOfRandomRows) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> row(5000);
  for (float& x : row) x = normal(random);
  checkAgainstSort(row);
}

TEST(TopSelector, EqualLogitsComeByAscendingId) {
  std::vector<float> row(5000, 1.0f);
  checkAgainstSort(row);
  for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i % 7);
  checkAgainstSort(row);
}

TEST(TopSelector, AllOfTheBestInOneBlock) {
  std::vector<float> row(5000, -1.0f);
  for (size_t i = 0; i < 50; ++i) row[4990 - i] = static_cast<float>(i);
  checkAgainstSort(row);
}

TEST(TopSelector, TinyVocabulary) {
  const std::vector<float> row = {3, 1, 2};
  checkAgainstSort(row);
}

}  // namespace
}  // namespace llmc::rt
