// Row kernels: several results, results stored over their inputs, chains of ops, refusals.
// Tests: RowCount.cpp.
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"

namespace llmc {
namespace {

/// residual = a + b; normed = rmsnorm(residual), yielded in the other order.
std::string addNorm(int64_t n) {
  return functionText({act(n), act(n), param(n), "!llm.batch"}, {act(n), act(n)},
                      "%s = llm.add %a0, %a1 : " + act(n) + "\n%r = llm.rmsnorm %s, %a2 {eps = 1.0e-5} : (" + act(n) +
                          ", " + param(n) + ") -> " + act(n) + "\nkern.yield %r, %s : " + act(n) + ", " + act(n) + "\n",
                      "norm");
}

TEST(RowKernel, ResidualMayBeStoredOverItsInput) {
  const int64_t n = 72, tokens = 7;
  std::vector<float> w = randomValues(n + 16, 3);
  for (const Level &level : instructionSets()) {
    auto kernel = buildKernel(addNorm(n), level, emitRowKernel);
    ASSERT_TRUE(kernel);
    if (!canRun(level))
      continue;
    Rows a(tokens, n * 4), b(tokens, n * 4), normed(tokens, n * 4);
    a.randomize(n, 1);
    b.randomize(n, 2);
    Matrix sum(tokens, std::vector<double>(n));
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t i = 0; i < n; ++i)
        sum[t][i] = double(a.at(t, i)) + b.at(t, i);
    Step step(tokens);
    kernel->run({a.base(), b.base(), w.data(), &step.batch, normed.base(), a.base()}, 2);
    Matrix expected = rmsnorm(sum, asDouble(w), 1e-5);
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_NEAR(a.at(t, i), sum[t][i], 1e-6);
        ASSERT_NEAR(normed.at(t, i), expected[t][i], 1e-5);
      }
    EXPECT_TRUE(a.paddingIntact() && normed.paddingIntact());
  }
}

TEST(RowKernel, NoRowsIsFine) {
  for (const Level &level : instructionSets()) {
    if (!canRun(level))
      continue;
    auto kernel = buildKernel(addNorm(64), level, emitRowKernel);
    ASSERT_TRUE(kernel);
    Rows x(1, 256), y(1, 256);
    x.randomize(64, 1);
    rt::Batch empty;
    kernel->run({x.base(), x.base(), x.base(), &empty, y.base(), y.base()}, 4);
    EXPECT_EQ(static_cast<unsigned char>(*y.base()), 0xff);
  }
}

TEST(RowKernel, RefusesAMatrixProduct) {
  std::string weight = "!llm.weight<[64, 64], #llm.q<f32>>";
  std::string text = functionText({act(64), weight, "!llm.batch"}, {act(64)},
                                  "%r = llm.linear %a0, %a1 : (" + act(64) + ", " + weight + ") -> " + act(64) +
                                      "\nkern.yield %r : " + act(64) + "\n");
  EXPECT_NE(emitError(text, cpuLevels()[0], emitRowKernel).find("not a row operation"), std::string::npos);
}

TEST(RowKernel, RefusesResultsWithDifferentRows) {
  std::string text = functionText({act(64), "!llm.batch"}, {act(64), act(64, "S")},
                                  "%r = llm.select_rows %a0, %a1 : (" + act(64) + ", !llm.batch) -> " + act(64, "S") +
                                      "\nkern.yield %a0, %r : " + act(64) + ", " + act(64, "S") + "\n");
  EXPECT_NE(emitError(text, cpuLevels()[0], emitRowKernel).find("T and S"), std::string::npos);
}

TEST(RowKernel, RefusesRowsWithoutABatch) {
  std::string text = functionText(
      {act(64)}, {act(64)}, "%r = llm.scale %a0 {factor = 2.0} : " + act(64) + "\nkern.yield %r : " + act(64) + "\n");
  EXPECT_NE(emitError(text, cpuLevels()[0], emitRowKernel).find("!llm.batch"), std::string::npos);
}

} // namespace
} // namespace llmc
