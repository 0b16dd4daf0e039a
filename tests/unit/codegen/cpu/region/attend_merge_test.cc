// llm.attend_merge: any number of splits, empty ones that hold garbage.
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"
#include <cmath>
#include <limits>

namespace llmc {
namespace {

/// `sinks`: a logit a head, or empty.
Matrix mergeReference(const Matrix &p, int64_t heads, int64_t dim, int64_t splits, const std::vector<double> &sinks) {
  Matrix y;
  for (const auto &row : p) {
    std::vector<double> &out = y.emplace_back(heads * dim, 0.0);
    for (int64_t h = 0; h < heads; ++h) {
      double top = -INFINITY, total = 0;
      auto part = [&](int64_t i) { return row.data() + (h * splits + i) * (dim + 2); };
      for (int64_t i = 0; i < splits; ++i)
        top = std::max(top, part(i)[dim]);
      for (int64_t i = 0; i < splits; ++i)
        total += std::exp(part(i)[dim] - top) * part(i)[dim + 1];
      if (!sinks.empty())
        total += std::exp(sinks[h] - top);
      for (int64_t i = 0; i < splits; ++i)
        if (part(i)[dim + 1] > 0)
          for (int64_t d = 0; d < dim; ++d)
            out[h * dim + d] += std::exp(part(i)[dim] - top) * part(i)[d] / total;
    }
  }
  return y;
}

void checkMerge(int64_t dim, int64_t splits, bool withSinks) {
  const int64_t heads = 3;
  SCOPED_TRACE(std::to_string(splits) + " splits");
  const std::vector<float> sinks = withSinks ? std::vector<float>{-0.5F, 1.5F, 150.0F} : std::vector<float>();
  const std::string type = withSinks ? ", " + param(heads) : "", name = withSinks ? ", %a1" : "";
  int64_t in = heads * splits * (dim + 2), out = heads * dim;
  std::string body = "%r = llm.attend_merge %a0" + name + " {heads = 3 : i64, head_dim = " + std::to_string(dim) +
                     " : i64, splits = " + std::to_string(splits) + " : i64} : (" + act(in) + type + ") -> " +
                     act(out) + "\nkern.yield %r : " + act(out) + "\n";
  RowCase test{withSinks ? functionText({act(in), param(heads), "!llm.batch"}, {act(out)}, body)
                         : functionText({act(in), "!llm.batch"}, {act(out)}, body),
               withSinks ? std::vector<Arg>{Arg::activation(in, 3), Arg::parameter(sinks), Arg::batch()}
                         : std::vector<Arg>{Arg::activation(in, 3), Arg::batch()},
               out,
               false,
               2e-6,
               {},
               [=](const std::vector<Matrix> &x, const Step &) {
                 return mergeReference(x[0], heads, dim, splits, asDouble(sinks));
               }};
  test.fill = [=](Rows &rows, int64_t count) {
    for (int64_t t = 0; t < count; ++t)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = 0; i < splits; ++i) {
          float *part = rows.row<float>(t) + (h * splits + i) * (dim + 2);
          part[dim + 1] = 1 + std::fabs(part[dim + 1]);
          if (i == 0 || (i + h + t) % 3 != 0)
            continue;
          std::fill(part, part + dim,
                    std::numeric_limits<float>::quiet_NaN()); // nobody writes an empty split's sums
          part[dim] = -std::numeric_limits<float>::infinity();
          part[dim + 1] = 0;
        }
  };
  checkRows(test);
}

TEST(AttendMerge, CombinesSplits) {
  for (int64_t dim : {64, 80})
    for (int64_t splits : {1, 3, 8, 20})
      checkMerge(dim, splits, false);
}

TEST(AttendMerge, SinksCountInTheSum) {
  for (int64_t splits : {1, 3, 16})
    checkMerge(64, splits, true);
}

} // namespace
} // namespace llmc
