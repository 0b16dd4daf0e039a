// The best token of tiles is what the sampler chooses from the row; ties, negative rows, and rows that are not finite.
#include "runtime/sample/tile_argmax.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "runtime/sample/sampler.h"

namespace llmc::rt {
namespace {

constexpr uint32_t kTile = 16;

std::vector<float> tilesOf(const std::vector<float>& row) {
  const size_t tiles = (row.size() + kTile - 1) / kTile;
  std::vector<float> out(2 * tiles);
  for (size_t t = 0; t < tiles; ++t) {
    const auto begin = row.begin() + static_cast<ptrdiff_t>(t * kTile);
    const auto best =
        std::max_element(begin, row.begin() + static_cast<ptrdiff_t>(std::min(row.size(), (t + 1) * kTile)));
    out[t] = *best;
    out[tiles + t] = static_cast<float>(best - row.begin());
  }
  return out;
}

TEST(TileArgmax, ChoosesWhatTheSamplerChooses) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(-20, 4);
  SamplingParams params;
  params.temperature = 0;
  SampleRequest request;
  request.params = &params;
  for (const uint32_t vocabulary : {1u, 15u, 16u, 17u, 300u, 3000u}) {
    Sampler sampler(vocabulary);
    for (int round = 0; round < 50; ++round) {
      std::vector<float> row(vocabulary);
      for (float& x : row) x = round % 2 ? normal(random) : std::round(normal(random));  // whole numbers tie often
      auto token = bestOfTiles(tilesOf(row));
      ASSERT_TRUE(token);
      EXPECT_EQ(*token, *sampler.sample(row, request, nullptr)) << vocabulary << ", round " << round;
    }
  }
}

TEST(TileArgmax, TheFirstOfEqualTilesWins) {
  EXPECT_EQ(*bestOfTiles(std::vector<float>{1, 7, 7, 2, 3, 20, 40, 50}), 20);
  EXPECT_EQ(*bestOfTiles(std::vector<float>{-0.0f, 0.0f, 5, 17}), 5);
}

TEST(TileArgmax, RowsThatAreNotFiniteEndTheirRequest) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  auto bad = bestOfTiles(std::vector<float>{1, inf, inf, 3, 20, 40});
  EXPECT_EQ(bad.status().code(), "RT_LOGITS");
  EXPECT_NE(bad.status().message().find("token 20"), std::string::npos);
  EXPECT_EQ(bestOfTiles(std::vector<float>{nan, nan, 0, 16}).status().code(), "RT_LOGITS");
  EXPECT_EQ(bestOfTiles(std::vector<float>{-inf, 0}).status().code(), "RT_LOGITS");
}

}  // namespace
}  // namespace llmc::rt
