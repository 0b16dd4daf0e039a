// keep_rows and argmax as kernels of their own: what a head that is not fused leaves.
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"
#include <cmath>

namespace llmc {
namespace {

constexpr int64_t kN = 70, kTile = 32, kTiles = 3;

TEST(ArgmaxKernel, LargestOfEachTile) {
  RowCase test;
  test.text = functionText({act(kN), "!llm.batch"}, {act(2 * kTiles)},
                           "%y = llm.argmax %a0 {tile = 32 : i64} : (" + act(kN) + ") -> " + act(2 * kTiles) +
                               "\nkern.yield %y : " + act(2 * kTiles) + "\n");
  test.args = {Arg::activation(kN), Arg::batch()};
  test.columns = 2 * kTiles;
  test.tolerance = 0;
  test.fill = [](Rows &x, int64_t tokens) {
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t c = 0; c < kN; ++c)
        x.at(t, c) = std::round(2 * x.at(t, c)); // many ties
  };
  test.expected = [](const std::vector<Matrix> &x, const Step &) {
    Matrix out;
    for (const auto &row : x[0]) {
      std::vector<double> &best = out.emplace_back(2 * kTiles);
      for (int64_t tile = 0; tile < kTiles; ++tile) {
        int64_t first = tile * kTile;
        for (int64_t c = first; c < std::min(kN, (tile + 1) * kTile); ++c)
          if (row[c] > row[first])
            first = c;
        best[tile] = row[first];
        best[kTiles + tile] = static_cast<double>(first);
      }
    }
    return out;
  };
  checkRows(test);
}

TEST(ArgmaxKernel, KeepsTheRowsThatAreAskedFor) {
  const std::string type = act(kN, "S");
  std::string text = functionText({type, "!llm.batch"}, {type},
                                  "%y = llm.keep_rows %a0, %a1 : (" + type + ", !llm.batch) -> " + type +
                                      "\nkern.yield %y : " + type + "\n");
  for (const Level &level : instructionSets()) {
    auto kernel = buildKernel(text, level, emitRowKernel);
    ASSERT_TRUE(kernel);
    if (!canRun(level))
      continue;
    Step step(12);
    const int64_t rows = step.batch.rows;
    std::vector<int32_t> wanted(rows);
    wanted[1] = wanted[4] = 1;
    step.batch.logitsWanted = wanted.data();
    Rows x(rows, kN * 4), out(rows, kN * 4), untouched(rows, kN * 4);
    x.randomize(kN, 5);
    kernel->run({x.base(), &step.batch, out.base()}, 3);
    for (int64_t row = 0; row < rows; ++row) {
      Rows &expected = wanted[row] ? x : untouched;
      EXPECT_EQ(std::memcmp(out.row<char>(row), expected.row<char>(row), kN * 4), 0) << row;
    }
  }
}

TEST(ArgmaxKernel, RefusesTilesThatEndWithinAVector) {
  std::string text = functionText({act(kN), "!llm.batch"}, {act(6)},
                                  "%y = llm.argmax %a0 {tile = 30 : i64} : (" + act(kN) + ") -> " + act(6) +
                                      "\nkern.yield %y : " + act(6) + "\n");
  EXPECT_NE(emitError(text, cpuLevels()[0], emitRowKernel).find("tiles must be a multiple of 16 columns"),
            std::string::npos);
}

} // namespace
} // namespace llmc
