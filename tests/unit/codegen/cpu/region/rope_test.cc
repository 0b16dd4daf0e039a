// llm.rope as an op of its own: both styles, partial rotation, halves that do not fall on a chunk.
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"

namespace llmc {
namespace {

RowCase ropeCase(int64_t headDim, int64_t dim, bool neox) {
  const int64_t n = 2 * headDim, rows = 4 + 256;
  std::string weight = "!llm.weight<[" + std::to_string(rows) + ", " + std::to_string(dim) + "], #llm.q<f32>>";
  std::string body = "%r = llm.rope %a0, %a1, %a2 {rope = #llm.rope<theta = 1.0e4 : f64, dim = " + std::to_string(dim) +
                     ", style = " + (neox ? "neox" : "gptj") +
                     ", scaling = none>, head_dim = " + std::to_string(headDim) + " : i64} : (" + act(n) +
                     ", !llm.batch, " + weight + ") -> " + act(n) + "\nkern.yield %r : " + act(n) + "\n";
  return {functionText({act(n), "!llm.batch", weight}, {act(n)}, body),
          {Arg::activation(n), Arg::batch(), Arg::parameter(ropeTable(1000, dim, 1e4))},
          n,
          false,
          2e-6,
          {},
          [=](const std::vector<Matrix> &x, const Step &step) {
            return rope(x[0], step.positions, headDim, dim, 1e4, neox);
          }};
}

TEST(Rope, Neox) {
  for (auto [headDim, dim] : {std::pair<int64_t, int64_t>{64, 64}, {80, 80}, {96, 96}, {128, 128}, {80, 32}, {64, 20}})
    checkRows(ropeCase(headDim, dim, true));
}

TEST(Rope, Gptj) {
  for (auto [headDim, dim] : {std::pair<int64_t, int64_t>{64, 64}, {96, 96}, {80, 20}})
    checkRows(ropeCase(headDim, dim, false));
}

} // namespace
} // namespace llmc
