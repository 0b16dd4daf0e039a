// Every matrix product variant at every CPU level: compiled, checked as an object, and run where this machine can.
// Tests: FloatTile.cpp, GroupScales.cpp, IntDirect.cpp, IntLines.cpp, IntSteps.cpp, IntTile.cpp, IntWide.cpp,
// IntWords.cpp, MatmulDriver.cpp, MatmulPlan.cpp, RowScales.cpp, WordRows.cpp.
#include "tests/unit/codegen/cpu/matmul/hot_loop.h"
#include "tests/unit/codegen/cpu/matmul/matmul_harness.h"
#include "codegen/registry/MatmulTable.h"
#include "runtime/device/cpu_features.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <cstdio>

namespace llmc {
namespace {

struct Kind {
  Layout layout;
  ActKind act;
  bool bf16Products = false;
};

const Kind kKinds[] = {
    {Layout::F32N16, ActKind::F32},       {Layout::F16N16, ActKind::F32},          {Layout::BF16N16K2, ActKind::F32},
    {Layout::Q8N16K4, ActKind::F32},      {Layout::Q4N16K4Sym, ActKind::F32},      {Layout::Q4N16K4Asym, ActKind::F32},
    {Layout::Q8N16K4, ActKind::Int8},     {Layout::Q4N16K4Sym, ActKind::Int8},     {Layout::Q4N16K4Asym, ActKind::Int8},
    {Layout::Q5N16K4Sym, ActKind::F32},   {Layout::Q5N16K4Asym, ActKind::F32},     {Layout::Q4KN16K4, ActKind::F32},
    {Layout::Q5KN16K4, ActKind::F32},     {Layout::Q6KN16K4, ActKind::F32},        {Layout::Q5N16K4Sym, ActKind::Int8},
    {Layout::Q5N16K4Asym, ActKind::Int8}, {Layout::Q4KN16K4, ActKind::Int8},       {Layout::Q5KN16K4, ActKind::Int8},
    {Layout::Q6KN16K4, ActKind::Int8},    {Layout::BF16N16K2, ActKind::F32, true},
};

struct Size {
  int64_t n, k, unitPanels;
};
// A size of a 135M model, which every variant has.
const Size kPlain{64, 576, 2};
// K: one superblock, half a superblock of padding, a ragged group, a large size of that model, K blocks; N ragged;
// units; rows so long that tiles have fewer of them.
const Size kSizes[] = {{16, 64, 1},   {24, 96, 1},  {40, 75, 1},      {48, 1536, 2},
                       {32, 2112, 1}, {80, 576, 4}, {32, kLongRow, 2}};
const int kRows[] = {0, 1, 2, 3, 4, 5, 7, 12, 16, 17, 33, 64, 65, 130, 300};

class MatmulTest : public testing::TestWithParam<std::tuple<Kind, const Level *, int64_t>> {};

/// Exact outputs of one row with the size of their terms. A row gives the same in every batch, so each is computed
/// once.
using ReferenceRow = std::vector<std::pair<double, double>>;

MatmulShape shapeOf(const Kind &kind, const Size &size, int64_t mMax) {
  MatmulShape shape{size.n, size.k, kind.layout, kind.act, mMax, size.unitPanels};
  shape.bf16Products = kind.bf16Products;
  return shape;
}

/// What tells the code of one size from that of another, besides bounds and distances.
MatmulConfig kindOfCode(const Level &level, const MatmulShape &shape) {
  MatmulConfig config = chooseMatmul(level, shape);
  config.rowBlock = config.prefetchBytes = 0;
  config.prefetchX = config.prefetchX && config.groupsPerIter == 2; // loops over single groups do not fetch x
  return config;
}

/// The plain size, every size that makes code of another kind, and half of the others by turns: each kind at each level
/// meets all of them in its classes of rows, and each class at the levels with bf16 or at those without, which have the
/// same code. (All sizes for all variants are twice the compilations and found nothing more.)
std::vector<Size> sizesFor(const Kind &kind, const Level &level, int64_t mMax) {
  auto turn = std::ranges::find(kRowClasses, mMax) - std::begin(kRowClasses) + static_cast<int64_t>(kind.layout) +
              static_cast<int64_t>(level.bf16);
  std::vector<Size> sizes{kPlain};
  std::vector<MatmulConfig> met{kindOfCode(level, shapeOf(kind, kPlain, mMax))};
  for (int64_t i = 0; i < std::ssize(kSizes); ++i) {
    MatmulConfig code = kindOfCode(level, shapeOf(kind, kSizes[i], mMax));
    bool other = std::ranges::find(met, code) == met.end();
    if ((i % 2 != turn % 2 || kSizes[i].k >= kLongRow) && !other)
      continue;
    sizes.push_back(kSizes[i]);
    met.push_back(code);
  }
  return sizes;
}

ReferenceRow referenceRow(const TestWeight &weight, const TestActivations &x, int row) {
  ReferenceRow outputs;
  for (int64_t n = 0; n < weight.shape.n; ++n)
    outputs.push_back(referenceOutput(weight, x, row, n));
  return outputs;
}

/// Compares all outputs of one run with the reference, whose terms may be off by `tolerance` of their size, and checks
/// that nothing else was written.
void checkRun(BuiltMatmul &kernel, const TestWeight &weight, const TestActivations &x, int rows, uint32_t workers,
              const std::vector<ReferenceRow> &reference, double tolerance) {
  const MatmulShape &shape = weight.shape;
  int64_t stride = static_cast<int64_t>(rt::rowStrideBytes(shape.n * 4)) / 4;
  Buffer out(static_cast<size_t>((rows + 1) * stride * 4), 0xff);
  kernel.run(x.bytes.data(), weight.packed.data(), out.as<float>(), rows, workers);
  for (int row = 0; row < rows; ++row)
    for (int64_t n = 0; n < shape.n; ++n) {
      auto [sum, magnitude] = reference[static_cast<size_t>(row)][static_cast<size_t>(n)];
      float got = out.as<float>()[row * stride + n];
      ASSERT_NEAR(got, sum, tolerance * magnitude) << "row " << row << " column " << n << " of M " << rows << " N "
                                                   << shape.n << " K " << shape.k << ", " << workers << " workers";
    }
  for (int row = 0; row <= rows; ++row)
    for (int64_t n = row < rows ? shape.n : 0; n < stride; ++n)
      ASSERT_TRUE(std::isnan(out.as<float>()[row * stride + n])) << "wrote outside at row " << row << " column " << n;
}

/// Vector stack references that a variant may have: none with 32 registers; with 16, around inner loops only (bounds as
/// measured, so that a change of LLVM or of a tile that spills more is seen).
int spillBudget(const Level &level, const Kind &kind) {
  if (level.avx512)
    return 0;
  bool more = upperLines(kind.layout) != 0 || quantFormat(kind.layout).byteScales;
  if (more)
    return kind.act == ActKind::F32 ? 160 : 48;
  return kind.act == ActKind::F32 && isQuantized(kind.layout) ? 44 : 36;
}

/// The innermost loop has the products that matmul_hot_loops.txt says, no more instructions and no more of the stack.
void checkHotLoop(const Level &level, const MatmulShape &shape, const std::string &assembly) {
  std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
  name = name.substr(name.find('/') + 1);
  const HotLoop now = countHotLoop(level, shape, chooseMatmul(level, shape), assembly), before = recordedHotLoop(name);
  const std::string line = hotLoopLine(name, level, shape, now);
  std::printf("hot loop %s\n", line.c_str());
  const bool held = now.products > 0 && now.product == before.product && now.products == before.products &&
                    now.instructions <= before.instructions && now.stack <= before.stack;
  EXPECT_TRUE(held) << "was " << before.products << " " << before.product << ", " << before.instructions
                    << " instructions, " << before.stack << " on the stack; if the change is meant, the line of\n"
                    << "matmul_hot_loops.txt is now: " << line;
}

TEST_P(MatmulTest, MatchesDoubleReference) {
  auto [kind, level, mMax] = GetParam();
  bool runs = rt::supportsLevel(level->name.str(), rt::detectCpuFeatures());
  const std::vector<Size> sizes = sizesFor(kind, *level, mMax);
  for (const Size &size : sizes) {
    MatmulShape shape = shapeOf(kind, size, mMax);
    MatmulConfig config = chooseMatmul(*level, shape);
    bool rounds = config.style == TileStyle::Pairs;
    EXPECT_EQ(rounds, kind.bf16Products && (mMax == 0 || mMax > 16) && size.k % 32 == 0);
    bool listed = size.k >= kPlain.k; // LLVM writes code and its listing in two runs
    BuiltMatmul kernel(shape, *level, listed);
    ASSERT_EQ(kernel.error, "");
    if (listed) {
      EXPECT_EQ(kernel.listing.assembly.find("call"), std::string::npos) << "a kernel calls a function";
      EXPECT_EQ(kernel.listing.assembly.find("vdpbf16ps") != std::string::npos, rounds);
      EXPECT_LE(vectorStackReferences(kernel.listing.assembly), spillBudget(*level, kind)) << kernel.mlirOps << " ops";
      if (&size == &sizes.front())
        checkHotLoop(*level, shape, kernel.listing.assembly);
    }
    if (!runs)
      continue;
    TestWeight weight(shape, 1);
    // Scales rounded to 1/32767 of the largest of a row, which has them all within a factor of 2. Biases and mins of
    // asymmetric weights are rounded too, and a group of extreme values has a bias ten times the others.
    double tolerance = !config.rowScales ? 1e-6 : (shape.asymmetric() ? 4.0 : 1.0) / 32767;
    if (rounds) // bf16 has 8 bits: a factor of each term is off by 2^-9 at most
      tolerance = 1.01 / 512;
    int rowLimit = mMax == 0 ? 300 : static_cast<int>(mMax);
    TestActivations x(shape, rowLimit, 2);
    std::vector<ReferenceRow> reference;
    for (int rows : kRows)
      if (rows <= rowLimit && (rows < 100 || size.n * size.k < 40000)) {
        while (std::ssize(reference) < rows)
          reference.push_back(referenceRow(weight, x, static_cast<int>(reference.size())));
        for (uint32_t workers : {1u, 3u})
          checkRun(kernel, weight, x, rows, workers, reference, tolerance);
      }
  }
  if (!runs)
    GTEST_SKIP() << "compiled only: this CPU has no " << level->name.str();
}

using Case = std::tuple<Kind, const Level *, int64_t>;

/// Whether a level's table has other numbers for a variant than the level with the same instructions.
bool hasOwnCode(const Kind &kind, const Level &level, int64_t mMax) {
  const MatmulShape shape = shapeOf(kind, kPlain, mMax);
  return std::ranges::none_of(instructionSets(), [&](const Level &other) {
    return &other != &level && other.sameInstructions(level) &&
           chooseMatmul(other, shape) == chooseMatmul(level, shape);
  });
}

/// Every kind at every level and row class. With f32 activations VNNI changes nothing, so the levels that add only that
/// are left out.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Kind &kind : kKinds)
    for (const Level &level : cpuLevels())
      for (int64_t mMax : kRowClasses)
        if (hasOwnCode(kind, level, mMax) &&
            (kind.bf16Products ? level.bf16 : kind.act != ActKind::F32 || !level.vnni || level.bf16))
          all.emplace_back(kind, &level, mMax);
  return all;
}

std::string caseName(const testing::TestParamInfo<Case> &info) {
  auto [kind, level, mMax] = info.param;
  std::string name = layoutTestName(kind.layout, kind.act) + (kind.bf16Products ? "_rounded_" : "_") +
                     level->name.str() + "_m" + std::to_string(mMax);
  for (char &c : name)
    if (c == '-')
      c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, MatmulTest, testing::ValuesIn(cases()), caseName);

} // namespace
} // namespace llmc
