// What makes the innermost loops of products fast: the order in which lines are read, what is fetched, which values
// serve several products. How many instructions each has stands in matmul_hot_loops.txt, which MatmulTest holds.
#include "tests/unit/codegen/cpu/matmul/hot_loop.h"
#include "tests/unit/codegen/cpu/matmul/matmul_harness.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <limits>

namespace llmc {
namespace {

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
/// and beside the products there is an addition each at most. The steps of a group are no loop: where another thread
/// shares the core, instructions are what is scarce. bf16: a loop has four columns, each of which is made a float by
/// one operation a register.
TEST(MatmulHotLoop, ManyRowsFillTheRegistersOfAvx2) {
  struct Loop {
    Layout layout;
    const char *product, *addition;
    long products, additions, broadcasts; ///< broadcasts of x, and of a row's scales, biases and starts
    size_t instructions;
    int stack; ///< vectors written and read once a group, a constant or a sum beside the scaling
  };
  for (const Loop &expected : {Loop{Layout::Q4N16K4Sym, "vpmaddubsw", "vpaddw", 96, 96, 48 + 12, 328, 0},
                               Loop{Layout::Q4KN16K4, "vpmaddubsw", "vpaddw", 96, 84, 48 + 6, 311, 2},
                               Loop{Layout::Q5KN16K4, "vpmaddubsw", "vpaddw", 96, 96, 48 + 12, 332, 2},
                               Loop{Layout::Q6KN16K4, "vpmaddubsw", "vpaddw", 96, 96, 48 + 24, 399, 4},
                               Loop{Layout::Q8N16K4, "vpmaddwd", "vpaddd", 192, 180, 96, 549, 0},
                               Loop{Layout::BF16N16K2, "vfmadd231ps", "vbroadcastss", 48, 24, 0, 95, 0}}) {
    const bool integer = isQuantized(expected.layout);
    SCOPED_TRACE(layoutTestName(expected.layout, integer ? ActKind::Int8 : ActKind::F32));
    BuiltMatmul kernel({64, 2048, expected.layout, integer ? ActKind::Int8 : ActKind::F32, 0, 1},
                       *findLevel("x86-64-v3"), true);
    ASSERT_EQ(kernel.error, "");
    const std::vector<std::string> loop = hotLoop(kernel.listing.assembly, expected.product);
    EXPECT_EQ(countOf(loop, expected.product), expected.products);
    EXPECT_EQ(countOf(loop, expected.addition), expected.additions);
    EXPECT_EQ(countOf(loop, "vpbroadcastd"), expected.broadcasts);
    EXPECT_LE(loop.size(), expected.instructions);
    EXPECT_LE(vectorStackReferences(loop), expected.stack);
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
    EXPECT_EQ(vectorStackReferences(loop), 0);
  }
}

/// bf16 weights and rows rounded to bf16: 12 sums, a vector of weights and, in memory, pairs of 12 rows make a step of
/// two columns; on Zen 5 8 rows by two panels, which share what is read of x. Nothing is widened.
TEST(MatmulHotLoop, PairsOfBf16AreMultipliedAsTheyLie) {
  MatmulShape shape{64, 2048, Layout::BF16N16K2, ActKind::F32, 0, 1};
  shape.bf16Products = true;
  for (auto [level, panels, products, most] :
       {std::tuple("x86-64-v4-vnni-bf16", 1, 48, 61u), {"x86-64-v4-vnni-bf16-vp2intersect", 2, 64, 118u}}) {
    BuiltMatmul kernel(shape, *findLevel(level), true);
    ASSERT_EQ(kernel.error, "");
    const std::vector<std::string> loop = hotLoop(kernel.listing.assembly, "vdpbf16ps");
    EXPECT_EQ(countOf(loop, "vdpbf16ps"), products); // four steps
    EXPECT_EQ(countOf(loop, "prefetcht0"), 4 * panels);
    EXPECT_LE(loop.size(), most);
    EXPECT_EQ(vectorStackReferences(loop), 0);
  }
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
    EXPECT_LE(vectorStackReferences(loop), static_cast<int>(bound.spills)) << name;
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

} // namespace
} // namespace llmc
