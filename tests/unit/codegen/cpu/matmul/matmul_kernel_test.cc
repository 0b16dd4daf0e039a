// Every matrix product variant at every CPU level: compiled, checked as an object, and run where this machine can.
// Tests: FloatTile.cpp, GroupScales.cpp, IntDirect.cpp, IntLines.cpp, IntSteps.cpp, IntTile.cpp, IntWide.cpp,
// IntWords.cpp, MatmulDriver.cpp, MatmulPlan.cpp, RowScales.cpp, WordRows.cpp.
#include "tests/unit/codegen/cpu/matmul/matmul_harness.h"
#include "runtime/device/cpu_features.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <sstream>

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
// units.
const Size kSizes[] = {{16, 64, 1}, {24, 96, 1}, {40, 75, 1}, {48, 1536, 2}, {32, 2112, 1}, {80, 576, 4}};
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
    if (i % 2 != turn % 2 && !other)
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

/// Instructions that name a vector register and the stack: spills, as kernels keep no vectors there on purpose.
int vectorStackReferences(const std::string &assembly) {
  std::istringstream lines(assembly);
  int count = 0;
  for (std::string line; std::getline(lines, line);)
    count += line.find("mm") != std::string::npos && line.find("%rsp") != std::string::npos;
  return count;
}

TEST_P(MatmulTest, MatchesDoubleReference) {
  auto [kind, level, mMax] = GetParam();
  bool runs = rt::supportsLevel(level->name.str(), rt::detectCpuFeatures());
  for (const Size &size : sizesFor(kind, *level, mMax)) {
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

long countOf(const std::vector<std::string> &lines, const std::string &text) {
  return std::ranges::count_if(lines, [&](const std::string &line) { return line.find(text) != std::string::npos; });
}

/// The innermost loop with the most of `product`: its instructions.
std::vector<std::string> hotLoop(const std::string &assembly, const std::string &product) {
  std::vector<std::string> lines, best;
  std::map<std::string, size_t> labels;
  std::istringstream text(assembly);
  long most = 0;
  for (std::string line; std::getline(text, line); lines.push_back(line)) {
    if (line.starts_with(".LBB"))
      labels[line.substr(0, line.find(':'))] = lines.size();
    size_t target = line.find("\t.LBB");
    auto label = target == std::string::npos ? labels.end() : labels.find(line.substr(target + 1));
    if (label == labels.end())
      continue;
    std::vector<std::string> body;
    for (size_t i = label->second + 1; i < lines.size(); ++i)
      if (lines[i].starts_with('\t') && !lines[i].starts_with("\t.") && !lines[i].starts_with("\t#"))
        body.push_back(lines[i]);
    long dots = countOf(body, product);
    if (dots > most) {
      most = dots;
      best = body;
      best.push_back(line);
    }
    labels.clear(); // an outer loop holds this one
  }
  return best;
}

class OneRow : public testing::TestWithParam<const char *> {};

/// One row waits for memory: a superblock's lines are read in the order of addresses, nothing is fetched ahead but on
/// Zen 5, and the loop stays short enough for the read bandwidth. Bounds are what the loops have, K blocks' factors lie
/// outside. Fetches lie one by one beside the products; there what lies above the nibbles is loaded before them.
TEST_P(OneRow, ReadsASuperblockInOrder) {
  struct Bound {
    Layout layout;
    size_t instructions, lines, ahead, together; ///< ahead: lines that Zen 5 fetches; together: between two products
  };
  const Level *level = findLevel(GetParam());
  ASSERT_NE(level, nullptr);
  for (const Bound &bound : {Bound{Layout::Q4KN16K4, 86, 8, 10, 3}, Bound{Layout::Q6KN16K4, 122, 12, 14, 5},
                             Bound{Layout::Q4N16K4Sym, 84, 8, 10, 2}, Bound{Layout::Q4N16K4Asym, 84, 8, 12, 3},
                             Bound{Layout::Q8N16K4, 60, 16, 18, 3}}) {
    SCOPED_TRACE(layoutTestName(bound.layout, ActKind::Int8));
    const size_t ahead = level->fullWidth ? bound.ahead : 0;
    BuiltMatmul kernel({64, 1024, bound.layout, ActKind::Int8, 1, 1}, *level, true);
    ASSERT_EQ(kernel.error, "");
    std::vector<std::string> loop = hotLoop(kernel.listing.assembly, "vpdpbusd");
    EXPECT_LE(loop.size(), bound.instructions + ahead);
    EXPECT_GE(loop.size(), bound.lines * 2);
    EXPECT_EQ(countOf(loop, "prefetch"), static_cast<long>(ahead));
    size_t found = 0, together = 0;
    long before = std::numeric_limits<long>::min();
    for (const std::string &line : loop) {
      together =
          line.find("vpdpbusd") != std::string::npos ? 0 : together + (line.find("prefetch") != std::string::npos);
      EXPECT_LE(together, bound.together) << line;
      if (line.find("vmovdqa64") == std::string::npos || line.find("(%") == std::string::npos)
        continue;
      size_t number = line.find_first_of("-0123456789(", line.find("vmovdqa64") + 9);
      long at = line[number] == '(' ? 0 : std::stol(line.substr(number));
      EXPECT_TRUE(before < at || (ahead != 0 && upperLines(bound.layout) != 0)) << line;
      before = at;
      ++found;
    }
    EXPECT_EQ(found, bound.lines);
  }
}

// Both have the same instructions and other numbers.
INSTANTIATE_TEST_SUITE_P(MatmulHotLoop, OneRow,
                         testing::Values("x86-64-v4-vnni-bf16", "x86-64-v4-vnni-bf16-vp2intersect"),
                         [](const auto &info) {
                           return std::string(findLevel(info.param)->fullWidth ? "Zen5" : "Others");
                         });

/// AVX2 for more than 16 rows: 6 rows by 16 fill the registers, each value of x is read once for 16 rows of weights,
/// and beside the products there is an addition each at most. bf16: a step has four columns, each of which is made a
/// float by one operation a register.
TEST(MatmulHotLoop, ManyRowsFillTheRegistersOfAvx2) {
  struct Loop {
    Layout layout;
    const char *product, *addition;
    long products;
    size_t instructions;
  };
  for (const Loop &expected :
       {Loop{Layout::Q4N16K4Sym, "vpmaddubsw", "vpaddw", 12, 36},
        Loop{Layout::Q4KN16K4, "vpmaddubsw", "vpaddw", 12, 36}, Loop{Layout::Q5KN16K4, "vpmaddubsw", "vpaddw", 12, 36},
        Loop{Layout::Q6KN16K4, "vpmaddubsw", "vpaddw", 12, 36}, Loop{Layout::Q8N16K4, "vpmaddwd", "vpaddd", 12, 36},
        Loop{Layout::BF16N16K2, "vfmadd231ps", "vbroadcastss", 48, 95}}) {
    const bool integer = isQuantized(expected.layout);
    SCOPED_TRACE(layoutTestName(expected.layout, integer ? ActKind::Int8 : ActKind::F32));
    BuiltMatmul kernel({64, 2048, expected.layout, integer ? ActKind::Int8 : ActKind::F32, 0, 1},
                       *findLevel("x86-64-v3"), true);
    ASSERT_EQ(kernel.error, "");
    const std::vector<std::string> loop = hotLoop(kernel.listing.assembly, expected.product);
    EXPECT_EQ(countOf(loop, expected.product), expected.products);
    EXPECT_EQ(countOf(loop, expected.addition), integer ? 12 : 24);
    EXPECT_EQ(countOf(loop, "vpbroadcastd"), integer ? 6 : 0);
    EXPECT_LE(loop.size(), expected.instructions);
    std::string text;
    for (const std::string &line : loop)
      text += line + "\n";
    EXPECT_EQ(vectorStackReferences(text), 0) << text;
  }
}

/// 512-bit data paths, weights of 16 bits: 8 rows by two panels. Each value of x is read once for 32 rows of weights,
/// and one line of each panel is fetched for the two columns that it has.
TEST(MatmulHotLoop, TwoPanelsOfFloatsShareX) {
  for (auto [layout, instructions] : {std::pair{Layout::BF16N16K2, 124}, {Layout::F16N16, 124}}) {
    SCOPED_TRACE(layoutTestName(layout, ActKind::F32));
    BuiltMatmul kernel({64, 2048, layout, ActKind::F32, 0, 1}, *findLevel("x86-64-v4-vnni-bf16-vp2intersect"), true);
    ASSERT_EQ(kernel.error, "");
    const std::vector<std::string> loop = hotLoop(kernel.listing.assembly, "vfmadd231ps");
    EXPECT_EQ(countOf(loop, "vfmadd231ps"), 64); // four columns
    EXPECT_EQ(countOf(loop, "vbroadcastss"), 32);
    EXPECT_EQ(countOf(loop, "prefetcht0"), 4);
    EXPECT_LE(loop.size(), static_cast<size_t>(instructions));
    std::string text;
    for (const std::string &line : loop)
      text += line + "\n";
    EXPECT_EQ(vectorStackReferences(text), 0) << text;
  }
}

/// bf16 weights and rows rounded to bf16: 12 sums, a vector of weights and, in memory, pairs of 12 rows make a step of
/// two columns; nothing is widened.
TEST(MatmulHotLoop, PairsOfBf16AreMultipliedAsTheyLie) {
  MatmulShape shape{64, 2048, Layout::BF16N16K2, ActKind::F32, 0, 1};
  shape.bf16Products = true;
  BuiltMatmul kernel(shape, *findLevel("x86-64-v4-vnni-bf16"), true);
  ASSERT_EQ(kernel.error, "");
  const std::vector<std::string> loop = hotLoop(kernel.listing.assembly, "vdpbf16ps");
  EXPECT_EQ(countOf(loop, "vdpbf16ps"), 48); // four steps
  EXPECT_LE(loop.size(), 61u);
  std::string text;
  for (const std::string &line : loop)
    text += line + "\n";
  EXPECT_EQ(vectorStackReferences(text), 0) << text;
}

/// The displacement at which a line of AVX2 code loads codes, -1: it does not.
long loadedAt(const std::string &line) {
  size_t operand = line.find('\t', 1) + 1;
  bool loads = line.starts_with("\tvmovdqa\t") || line.starts_with("\tvpxor\t");
  if (!loads || std::string("-0123456789(").find(line[operand]) == std::string::npos)
    return -1;
  return line[operand] == '(' ? 0 : std::stol(line.substr(operand));
}

/// With 16 registers one row goes line by line, fetches each line once and spills nothing but the factors of byte
/// scales. Bounds are what the loops have: 21 instructions a line of 64 bytes (Q4_0), 24 (Q4_K), 30 (Q6_K), 15 (Q8_0).
TEST(MatmulHotLoop, OneRowAtAvx2GoesLineByLine) {
  struct Bound {
    Layout layout;
    size_t instructions, spills;
    long lines, behind; ///< lines of codes, and what else is fetched
  };
  const Level *level = findLevel("x86-64-v3");
  ASSERT_NE(level, nullptr);
  for (const Bound &bound : {Bound{Layout::Q4N16K4Sym, 194, 0, 8, 2}, Bound{Layout::Q4KN16K4, 222, 12, 8, 2},
                             Bound{Layout::Q6KN16K4, 396, 38, 8, 6}, Bound{Layout::Q8N16K4, 256, 0, 16, 2}}) {
    const std::string name = layoutTestName(bound.layout, ActKind::Int8);
    BuiltMatmul kernel({64, 1024, bound.layout, ActKind::Int8, 1, 1}, *level, true);
    ASSERT_EQ(kernel.error, "");
    std::vector<std::string> loop = hotLoop(kernel.listing.assembly, "vpmaddubsw");
    auto count = [&](const char *word) {
      return std::ranges::count_if(loop, [&](const std::string &l) { return l.find(word) != std::string::npos; });
    };
    EXPECT_LE(loop.size(), bound.instructions) << name;
    EXPECT_GE(count("vpmaddubsw"), 32) << name;
    EXPECT_EQ(count("prefetcht0"), bound.lines + bound.behind) << name;
    std::string text;
    for (const std::string &line : loop)
      text += line + "\n";
    EXPECT_LE(vectorStackReferences(text), static_cast<int>(bound.spills)) << name;
    if (upperLines(bound.layout) != 0)
      continue; // what lies above the nibbles is loaded before them
    long before = -1, found = 0;
    for (const std::string &line : loop)
      if (long at = loadedAt(line); at >= 0) {
        EXPECT_LT(before, at) << name << line;
        before = at;
        ++found;
      }
    EXPECT_EQ(found, 2 * bound.lines) << name;
  }
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
