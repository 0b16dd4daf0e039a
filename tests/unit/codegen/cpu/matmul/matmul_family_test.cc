// Linear kernels from kern.func text: prologues, epilogues, interleaved glu, refusals; at every level.
#include "codegen/cpu/matmul/MatmulKernel.h"
#include "tests/unit/codegen/cpu/matmul/matmul_harness.h"
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"
#include <cmath>

namespace llmc {
namespace {

constexpr int64_t kK = 96, kN = 64;

std::string weightType(int64_t n, int64_t k, const std::string &quant) {
  return "!llm.weight<[" + std::to_string(n) + ", " + std::to_string(k) + "], #llm.q<" + quant + ">>";
}

/// One test: the body after `%a..` arguments (x, w, batch, norm weight [K], residual [N], bias [N]) and its formula.
struct LinearCase {
  std::string body;
  int64_t columns = kN;
  /// Expected row from x' * w^T (before bias), residual row and bias.
  std::function<std::vector<double>(std::vector<double>, const std::vector<double> &, const std::vector<double> &)>
      epilogue;
  bool norm = false, selected = false;
};

void check(const LinearCase &test, const Level &level, int64_t mMax, int64_t tokens) {
  std::vector<std::string> args = {act(kK),   weightType(kN, kK, "bf16"),         "!llm.batch",
                                   param(kK), act(kN, test.selected ? "S" : "T"), param(kN)};
  std::string text = functionText(args, {act(test.columns, test.selected ? "S" : "T")}, test.body, "linear");
  int64_t scratch = 0;
  auto kernel = buildKernel(text, level, [&](mlir::ModuleOp module, EmitRequest request) {
    request.mMax = mMax;
    scratch = matmulScratchBytes(request.function, tokens);
    return emitMatmulKernel(module, request);
  });
  ASSERT_TRUE(kernel);
  if (!canRun(level))
    return;
  MatmulShape shape{kN, kK, Layout::BF16N16K2, ActKind::F32, mMax, 1};
  TestWeight weight(shape, 3);
  Step step(tokens);
  const int64_t rows = test.selected ? step.batch.rows : tokens;
  Rows x(tokens, kK * 4), residual(rows, kN * 4);
  x.randomize(kK, 4);
  residual.randomize(kN, 5);
  std::vector<float> norm = randomValues(kK + 16, 6), bias = randomValues(kN + 16, 7);
  for (uint32_t workers : {1u, 3u}) {
    Rows out(rows, test.columns * 4);
    Buffer memory(scratch * workers, 0xff);
    kernel->run({x.base(), weight.packed.data(), &step.batch, norm.data(), residual.base(), bias.data(), out.base(),
                 memory.data()},
                workers);
    for (int64_t row = 0; row < rows; ++row) {
      int64_t source = test.selected ? step.sampleRows[row] : row;
      Matrix in = {{x.row<float>(source), x.row<float>(source) + kK}};
      if (test.norm)
        in = rmsnorm(in, asDouble({norm.begin(), norm.begin() + kK}), 1e-5);
      std::vector<double> sums(kN, 0.0);
      for (int64_t n = 0; n < kN; ++n)
        for (int64_t k = 0; k < kK; ++k)
          sums[n] += in[0][k] * weight.value(n, k);
      std::vector<double> other(residual.row<float>(row), residual.row<float>(row) + kN);
      auto expected = test.epilogue(sums, other, asDouble(bias));
      for (int64_t c = 0; c < test.columns; ++c)
        ASSERT_NEAR(out.at(row, c), expected[c], 1e-5 * (2 + std::fabs(expected[c])))
            << "row " << row << " column " << c << ", " << workers << " workers";
    }
    ASSERT_TRUE(out.paddingIntact());
  }
}

void checkAll(const LinearCase &test) {
  for (const Level &level : instructionSets()) {
    SCOPED_TRACE(level.name.str());
    for (auto [mMax, tokens] : {std::pair<int64_t, int64_t>{1, 1}, {4, 3}, {16, 13}, {64, 33}, {0, 150}}) {
      SCOPED_TRACE("class " + std::to_string(mMax) + ", T = " + std::to_string(tokens));
      check(test, level, mMax, tokens);
      if (::testing::Test::HasFatalFailure())
        return;
    }
  }
}

const std::string kX = act(kK), kY = act(kN), kW = weightType(kN, kK, "bf16");

TEST(LinearKernel, BiasAndResidual) {
  checkAll({"%r = llm.linear %a0, %a1, %a5 : (" + kX + ", " + kW + ", " + param(kN) + ") -> " + kY +
                "\n%s = llm.add %r, %a4 : " + kY + "\nkern.yield %s : " + kY + "\n",
            kN, [](auto sums, auto &residual, auto &bias) {
              for (int64_t n = 0; n < kN; ++n)
                sums[n] += bias[n] + residual[n];
              return sums;
            }});
}

TEST(LinearKernel, NormPrologueAndInterleavedGlu) {
  std::string half = act(kN / 2);
  checkAll({"%x = llm.rmsnorm %a0, %a3 {eps = 1.0e-5} : (" + kX + ", " + param(kK) + ") -> " + kX +
                "\n%r = llm.linear %x, %a1 : (" + kX + ", " + kW + ") -> " + kY +
                "\n%g = llm.glu %r {act = #llm.act_fn<silu>, interleave = 16} : (" + kY + ") -> " + half +
                "\nkern.yield %g : " + half + "\n",
            kN / 2,
            [](auto sums, auto &, auto &) {
              std::vector<double> out;
              for (int64_t n = 0; n < kN / 2; ++n)
                out.push_back(silu(sums[n / 16 * 32 + n % 16]) * sums[n / 16 * 32 + 16 + n % 16]);
              return out;
            },
            true});
}

TEST(LinearKernel, SelectedRowsPrologue) {
  std::string xs = act(kK, "S"), ys = act(kN, "S");
  checkAll({"%x = llm.select_rows %a0, %a2 : (" + kX + ", !llm.batch) -> " + xs +
                "\n%n = llm.rmsnorm %x, %a3 {eps = 1.0e-5} : (" + xs + ", " + param(kK) + ") -> " + xs +
                "\n%r = llm.linear %n, %a1 : (" + xs + ", " + kW + ") -> " + ys +
                "\n%s = llm.scale %r {factor = 0.5} : " + ys + "\nkern.yield %s : " + ys + "\n",
            kN,
            [](auto sums, auto &, auto &) {
              for (double &v : sums)
                v *= 0.5;
              return sums;
            },
            true, true});
}

/// What lies between a product and the quantize of its result.
enum class Between { Nothing, Scale, Glu };

/// The int8 row of a fused quantize is the row that the unfused kernel would quantize: within one step of the value.
/// 33 rows: the last of those that are taken together is there several times.
void checkQuantized(const Level &level, int64_t n, Between between) {
  const int64_t products = between == Between::Glu ? 2 * n : n;
  std::string y = act(products), z = act(n), w = weightType(products, kK, "bf16"),
              q = "!llm.qact<[T, " + std::to_string(n) + "], zero = 8>";
  std::string body = "%r = llm.linear %a0, %a1 : (" + kX + ", " + w + ") -> " + y + "\n";
  if (between == Between::Scale)
    body += "%s = llm.scale %r {factor = 0.5} : " + y + "\n";
  if (between == Between::Glu)
    body += "%s = llm.glu %r {act = #llm.act_fn<silu>, interleave = 16} : (" + y + ") -> " + z + "\n";
  body += std::string("%q = llm.quantize ") + (between == Between::Nothing ? "%r" : "%s") + " : (" + z + ") -> " + q +
          "\nkern.yield %q : " + q + "\n";
  std::string text = functionText({kX, w, "!llm.batch"}, {q}, body, "linear");
  int64_t scratch = 0;
  auto kernel = buildKernel(text, level, [&](mlir::ModuleOp module, EmitRequest request) {
    scratch = matmulScratchBytes(request.function, 0);
    return emitMatmulKernel(module, request);
  });
  ASSERT_TRUE(kernel);
  if (!canRun(level))
    return;
  MatmulShape shape{products, kK, Layout::BF16N16K2, ActKind::F32, 0, 2};
  TestWeight weight(shape, 3);
  TestActivations x(shape, 33, 4);
  Step step(33);
  Rows out(33, rt::quantizedRowBytes(n));
  Buffer memory(scratch * 3, 0xff);
  kernel->run({x.bytes.data(), weight.packed.data(), &step.batch, out.base(), memory.data()}, 3);
  auto expected = [&](int64_t row, int64_t c) {
    auto product = [&](int64_t at) { return referenceOutput(weight, x, row, at).first; };
    if (between != Between::Glu)
      return product(c) * (between == Between::Scale ? 0.5 : 1.0);
    const int64_t gate = c / 16 * 32 + c % 16;
    return silu(product(gate)) * product(gate + 16);
  };
  const int64_t padded = rt::paddedK(n);
  double sum = 0;
  for (int64_t row = 0; row < 33; ++row)
    for (int64_t c = 0; c < padded; ++c) {
      float scale;
      std::memcpy(&scale, out.row<char>(row) + padded + c / 16 * 4, 4);
      double want = c < n ? expected(row, c) : 0, got = scale * out.row<int8_t>(row)[c];
      ASSERT_NEAR(got, want, 0.501 * scale + 1e-12) << "row " << row << " column " << c;
      sum += got;
      if (c % 32 == 31) { // minus the zero point times the group's sum
        float bias;
        std::memcpy(&bias, out.row<char>(row) + rt::quantizedBiasesAt(n) + c / 32 * 4, 4);
        ASSERT_NEAR(bias, -8 * sum, 1e-4) << "row " << row << " group " << c / 32;
        sum = 0;
      }
    }
  ASSERT_TRUE(out.paddingIntact());
}

TEST(LinearKernel, QuantizesItsResult) {
  for (const Level &level : instructionSets())
    for (auto [n, between] :
         {std::pair{64, Between::Nothing}, {96, Between::Nothing}, {64, Between::Scale}, {96, Between::Glu}})
      checkQuantized(level, n, between);
}

TEST(LinearKernel, RefusesWhatItCannotDo) {
  std::string body = "%r = llm.linear %a0, %a1 : (" + kX + ", " + weightType(kN, kK, "i4, 64, sym") + ") -> " + kY +
                     "\nkern.yield %r : " + kY + "\n";
  std::string text = functionText({kX, weightType(kN, kK, "i4, 64, sym"), "!llm.batch"}, {kY}, body, "linear");
  EXPECT_NE(emitError(text, cpuLevels()[0], emitMatmulKernel).find("weight groups of 64"), std::string::npos);
  // A slice of the columns, and columns that fill no whole group.
  std::string third = act(kN / 4);
  text = functionText({kX, kW, "!llm.batch"}, {third},
                      "%r = llm.linear %a0, %a1 : (" + kX + ", " + kW + ") -> " + kY +
                          "\n%s = llm.slice %r {offset = 0, size = 16} : (" + kY + ") -> " + third +
                          "\nkern.yield %s : " + third + "\n",
                      "linear");
  EXPECT_NE(emitError(text, cpuLevels()[0], emitMatmulKernel)
                .find("expected a result of 64 columns, as the linear, or half of them, found 16"),
            std::string::npos);
  std::string odd = act(72), w = weightType(72, kK, "bf16"), q = "!llm.qact<[T, 72], zero = 8>";
  text = functionText({kX, w, "!llm.batch"}, {q},
                      "%r = llm.linear %a0, %a1 : (" + kX + ", " + w + ") -> " + odd + "\n%q = llm.quantize %r : (" +
                          odd + ") -> " + q + "\nkern.yield %q : " + q + "\n",
                      "linear");
  EXPECT_NE(emitError(text, cpuLevels()[0], emitMatmulKernel).find("must be a multiple of 32, found 72"),
            std::string::npos);
}

} // namespace
} // namespace llmc
