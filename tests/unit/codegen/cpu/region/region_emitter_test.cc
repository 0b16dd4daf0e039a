// Elementwise ops, slices and row selections through row kernels.
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"
#include <cmath>

namespace llmc {
namespace {

/// One op over [T, N] -> [T, N] named by its text between "%r = " and the type.
RowCase unary(const std::string &op, int64_t n, std::function<double(double)> fn) {
  std::string text = functionText({act(n), "!llm.batch"}, {act(n)},
                                  "%r = " + op + " : " + act(n) + "\nkern.yield %r : " + act(n) + "\n");
  return {text,
          {Arg::activation(n, 4.0f), Arg::batch()},
          n,
          false,
          1e-6,
          {},
          [fn](const std::vector<Matrix> &x, const Step &) { return map(x[0], fn); }};
}

RowCase binary(const std::string &op, int64_t n, std::function<double(double, double)> fn) {
  std::string text = functionText({act(n), act(n), "!llm.batch"}, {act(n)},
                                  "%r = " + op + " : " + act(n) + "\nkern.yield %r : " + act(n) + "\n");
  return {text,
          {Arg::activation(n), Arg::activation(n), Arg::batch()},
          n,
          false,
          1e-6,
          {},
          [fn](const std::vector<Matrix> &x, const Step &) { return zip(x[0], x[1], fn); }};
}

TEST(Pointwise, AddAndMul) {
  for (int64_t n : {16, 50, 576}) {
    checkRows(binary("llm.add %a0, %a1", n, [](double a, double b) { return a + b; }));
    checkRows(binary("llm.mul %a0, %a1", n, [](double a, double b) { return a * b; }));
  }
}

TEST(Pointwise, ScaleAndSoftcap) {
  checkRows(unary("llm.scale %a0 {factor = 1.25}", 72, [](double x) { return 1.25 * x; }));
  checkRows(unary("llm.softcap %a0 {cap = 3.0}", 72, [](double x) { return 3 * std::tanh(x / 3); }));
}

TEST(Pointwise, Activations) {
  checkRows(unary("llm.act %a0 {fn = #llm.act_fn<silu>}", 80, silu));
  checkRows(unary("llm.act %a0 {fn = #llm.act_fn<gelu_tanh>}", 80, geluTanh));
  checkRows(unary("llm.act %a0 {fn = #llm.act_fn<relu>}", 80, [](double x) { return std::max(x, 0.0); }));
}

TEST(Pointwise, ActivationsSaturate) {
  RowCase test = unary("llm.act %a0 {fn = #llm.act_fn<silu>}", 16, silu);
  test.fill = [](Rows &rows, int64_t count) {
    for (int64_t t = 0; t < count; ++t)
      for (int i = 0; i < 16; ++i)
        rows.at(t, i) = (i - 8) * 50.0f;
  };
  checkRows(test);
}

TEST(Pointwise, GluOfTwoOperands) {
  std::string body = "%r = llm.glu %a0, %a1 {act = #llm.act_fn<silu>} : (" + act(48) + ", " + act(48) + ") -> " +
                     act(48) + "\nkern.yield %r : " + act(48) + "\n";
  checkRows({functionText({act(48), act(48), "!llm.batch"}, {act(48)}, body),
             {Arg::activation(48), Arg::activation(48), Arg::batch()},
             48,
             false,
             1e-6,
             {},
             [](const std::vector<Matrix> &x, const Step &) {
               return zip(x[0], x[1], [](double g, double u) { return silu(g) * u; });
             }});
}

TEST(Pointwise, GluInterleaved) {
  std::string body = "%r = llm.glu %a0 {act = #llm.act_fn<gelu_tanh>, interleave = 16} : (" + act(96) + ") -> " +
                     act(48) + "\nkern.yield %r : " + act(48) + "\n";
  checkRows({functionText({act(96), "!llm.batch"}, {act(48)}, body),
             {Arg::activation(96), Arg::batch()},
             48,
             false,
             1e-6,
             {},
             [](const std::vector<Matrix> &x, const Step &) {
               Matrix y(x[0].size(), std::vector<double>(48));
               for (size_t t = 0; t < y.size(); ++t)
                 for (int i = 0; i < 48; ++i) {
                   int at = i / 16 * 32 + i % 16;
                   y[t][i] = geluTanh(x[0][t][at]) * x[0][t][at + 16];
                 }
               return y;
             }});
}

TEST(Pointwise, SliceOfASum) {
  for (int64_t offset : {0, 16, 21}) {
    std::string body = "%s = llm.add %a0, %a1 : " + act(80) +
                       "\n%r = llm.slice %s {offset = " + std::to_string(offset) + " : i64, size = 40 : i64} : (" +
                       act(80) + ") -> " + act(40) + "\nkern.yield %r : " + act(40) + "\n";
    checkRows({functionText({act(80), act(80), "!llm.batch"}, {act(40)}, body),
               {Arg::activation(80), Arg::activation(80), Arg::batch()},
               40,
               false,
               1e-6,
               {},
               [offset](const std::vector<Matrix> &x, const Step &) {
                 return slice(zip(x[0], x[1], [](double a, double b) { return a + b; }), offset, 40);
               }});
  }
}

TEST(Pointwise, SelectRows) {
  std::string body = "%s = llm.scale %a0 {factor = 2.0} : " + act(50) + "\n%r = llm.select_rows %s, %a1 : (" + act(50) +
                     ", !llm.batch) -> " + act(50, "S") + "\nkern.yield %r : " + act(50, "S") + "\n";
  checkRows({functionText({act(50), "!llm.batch"}, {act(50, "S")}, body),
             {Arg::activation(50), Arg::batch()},
             50,
             true,
             1e-6,
             {},
             [](const std::vector<Matrix> &x, const Step &step) {
               Matrix y;
               for (int32_t row : step.sampleRows)
                 y.push_back(map({x[0][row]}, [](double v) { return 2 * v; })[0]);
               return y;
             }});
}

TEST(Pointwise, CastRoundsToNearestEven) {
  for (const char *type : {"f16", "bf16"}) {
    std::string body = "%h = llm.cast %a0 : (" + act(40) + ") -> " + act(40, "T", type) + "\n%r = llm.cast %h : (" +
                       act(40, "T", type) + ") -> " + act(40) + "\nkern.yield %r : " + act(40) + "\n";
    bool half = std::string(type) == "f16";
    checkRows({functionText({act(40), "!llm.batch"}, {act(40)}, body),
               {Arg::activation(40), Arg::batch()},
               40,
               false,
               0,
               {},
               [half](const std::vector<Matrix> &x, const Step &) {
                 return map(x[0], [half](double v) {
                   // 11 or 8 significant bits; the values are normal numbers.
                   int exponent;
                   double unit = half ? 2048 : 256, fraction = std::frexp(v, &exponent);
                   return std::ldexp(std::nearbyint(fraction * unit) / unit, exponent);
                 });
               }});
  }
}

} // namespace
} // namespace llmc
