// Rows rounded to 8-bit floats: equal to the reference at every level, for whole and partial chunks, rows of zeros.
#include "dialects/Reference/Eval.h"
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"

namespace llmc {
namespace {

RowCase roundCase(int64_t n, float scale) {
  return {
      functionText({act(n), "!llm.batch"}, {act(n)},
                   "%r = llm.round_rows %a0 : (" + act(n) + ") -> " + act(n) + "\nkern.yield %r : " + act(n) + "\n"),
      {Arg::activation(n, scale), Arg::batch()},
      n,
      false,
      1e-7,
      [n](Rows &x, int64_t rows) { // a row of zeros, and one of steps below the smallest float of 4 bits
        std::fill(x.row<float>(0), x.row<float>(0) + n, 0.0f);
        for (int64_t i = 1; rows > 1 && i < n; ++i)
          x.row<float>(1)[i] = x.row<float>(1)[0] * static_cast<float>(i) * 1e-6f;
      },
      [](const std::vector<Matrix> &x, const Step &) {
        reference::Tensor tensor(static_cast<int64_t>(x[0].size()), static_cast<int64_t>(x[0][0].size()));
        for (int64_t t = 0; t < tensor.rows; ++t)
          for (int64_t j = 0; j < tensor.cols; ++j)
            tensor.at(t, j) = x[0][t][j];
        reference::Tensor rounded = reference::quantizeRows(tensor, true);
        Matrix y = x[0];
        for (int64_t t = 0; t < tensor.rows; ++t)
          for (int64_t j = 0; j < tensor.cols; ++j)
            y[t][j] = rounded.at(t, j);
        return y;
      }};
}

TEST(RoundRows, EqualsTheReference) {
  for (int64_t n : {5, 16, 50, 72, 576})
    checkRows(roundCase(n, 1.0f));
}

TEST(RoundRows, TinyAndHugeValues) {
  checkRows(roundCase(40, 1e-20f));
  checkRows(roundCase(40, 1e20f));
}

} // namespace
} // namespace llmc
