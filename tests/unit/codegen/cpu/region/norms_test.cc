// Norms: full rows, segments, unit offset, layernorm; rows whose length leaves a partial chunk.
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"

namespace llmc {
namespace {

RowCase rmsnormCase(int64_t n, int64_t segment, bool unitOffset) {
  int64_t length = segment > 0 ? segment : n;
  std::vector<float> w = randomValues(length, 3);
  std::string attributes = "{eps = 1.0e-5, segment = " + std::to_string(segment) +
                           " : i64, unit_offset = " + (unitOffset ? "true" : "false") + "}";
  std::string body = "%r = llm.rmsnorm %a0, %a1 " + attributes + " : (" + act(n) + ", " + param(length) + ") -> " +
                     act(n) + "\nkern.yield %r : " + act(n) + "\n";
  return {functionText({act(n), param(length), "!llm.batch"}, {act(n)}, body, "norm"),
          {Arg::activation(n), Arg::parameter(w), Arg::batch()},
          n,
          false,
          1e-6,
          {},
          [=](const std::vector<Matrix> &x, const Step &) {
            return rmsnorm(x[0], asDouble(w), 1e-5, segment, unitOffset);
          }};
}

TEST(Norm, RmsNorm) {
  for (int64_t n : {16, 50, 72, 576, 4096})
    checkRows(rmsnormCase(n, 0, false));
}

TEST(Norm, UnitOffset) { checkRows(rmsnormCase(64, 0, true)); }

TEST(Norm, Segments) {
  checkRows(rmsnormCase(192, 64, false));
  checkRows(rmsnormCase(240, 80, true));
}

TEST(Norm, LayerNorm) {
  for (bool bias : {false, true})
    for (int64_t n : {50, 576}) {
      std::vector<float> w = randomValues(n, 3), b = bias ? randomValues(n, 4) : std::vector<float>();
      std::string types = act(n) + ", " + param(n) + (bias ? ", " + param(n) : "");
      std::string body = std::string("%r = llm.layernorm %a0, %a1") + (bias ? ", %a2" : "") + " {eps = 1.0e-5} : (" +
                         types + ") -> " + act(n) + "\nkern.yield %r : " + act(n) + "\n";
      std::vector<std::string> arguments = {act(n), param(n)};
      std::vector<Arg> args = {Arg::activation(n), Arg::parameter(w)};
      if (bias) {
        arguments.push_back(param(n));
        args.push_back(Arg::parameter(b));
      }
      arguments.push_back("!llm.batch");
      args.push_back(Arg::batch());
      RowCase test{
          functionText(arguments, {act(n)}, body, "norm"),
          args,
          n,
          false,
          2e-6,
          {},
          [=](const std::vector<Matrix> &x, const Step &) { return layernorm(x[0], asDouble(w), asDouble(b), 1e-5); }};
      // A mean far from zero: a one-pass variance would lose most of its digits here.
      test.fill = [n](Rows &rows, int64_t count) {
        for (int64_t t = 0; t < count; ++t)
          for (int64_t i = 0; i < n; ++i)
            rows.at(t, i) += 100;
      };
      test.tolerance = 3e-5;
      checkRows(test);
    }
}

TEST(Norm, OfSelectedRows) {
  std::vector<float> w = randomValues(72, 3);
  std::string body = "%s = llm.select_rows %a0, %a2 : (" + act(72) + ", !llm.batch) -> " + act(72, "S") +
                     "\n%r = llm.rmsnorm %s, %a1 {eps = 1.0e-5} : (" + act(72, "S") + ", " + param(72) + ") -> " +
                     act(72, "S") + "\nkern.yield %r : " + act(72, "S") + "\n";
  checkRows({functionText({act(72), param(72), "!llm.batch"}, {act(72, "S")}, body, "norm"),
             {Arg::activation(72), Arg::parameter(w), Arg::batch()},
             72,
             true,
             1e-6,
             {},
             [=](const std::vector<Matrix> &x, const Step &step) {
               Matrix rows;
               for (int32_t row : step.sampleRows)
                 rows.push_back(x[0][row]);
               return rmsnorm(rows, asDouble(w), 1e-5);
             }});
}

TEST(Norm, SegmentOfEightHasNoCode) {
  EXPECT_NE(emitError(rmsnormCase(64, 8, false).text, cpuLevels()[0], emitRowKernel).find("multiple of 16"),
            std::string::npos);
}

} // namespace
} // namespace llmc
