// Variants that say they round exactly give a row the same bits, in every class, beside any rows; the last takes any
// number of them.
#include "tests/unit/codegen/cpu/matmul/matmul_harness.h"
#include "codegen/registry/MatmulTuning.h"
#include "runtime/device/cpu_features.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cstring>
#include <optional>

namespace llmc {
namespace {

constexpr int64_t kN = 48, kK = 576; // an odd number of panels
constexpr int64_t kDealtN = 112;     // seven
constexpr int kMany = 150;           // more than a row block

struct Kind {
  Layout layout;
  ActKind act;
  bool rounded = false; ///< bf16Products
};
const Kind kKinds[] = {{Layout::Q4N16K4Asym, ActKind::Int8}, {Layout::Q4N16K4Sym, ActKind::Int8},
                       {Layout::Q4KN16K4, ActKind::Int8},    {Layout::Q6KN16K4, ActKind::Int8},
                       {Layout::Q8N16K4, ActKind::Int8},     {Layout::BF16N16K2, ActKind::F32},
                       {Layout::Q4N16K4Asym, ActKind::F32},  {Layout::BF16N16K2, ActKind::F32, true}};

/// [rows][kN].
std::vector<float> product(const MatmulShape &shape, const Level &level, const TestWeight &weight,
                           const TestActivations &x, int rows, uint32_t workers) {
  BuiltMatmul kernel(shape, level, false);
  EXPECT_EQ(kernel.error, "");
  const size_t stride = rt::rowStrideBytes(kN * 4) / 4;
  Buffer out(static_cast<size_t>(rows + 1) * stride * 4, 0xff);
  kernel.run(x.bytes.data(), weight.packed.data(), out.as<float>(), rows, workers);
  std::vector<float> values;
  for (int row = 0; row < rows; ++row)
    values.insert(values.end(), out.as<float>() + row * stride, out.as<float>() + row * stride + kN);
  return values;
}

bool sameBits(const std::vector<float> &some, const std::vector<float> &all) {
  return std::memcmp(some.data(), all.data(), some.size() * sizeof(float)) == 0;
}

MatmulShape shapeOf(const Kind &kind, int64_t mMax) {
  MatmulShape shape{kN, kK, kind.layout, kind.act, mMax, 1};
  shape.bf16Products = kind.rounded;
  return shape;
}

/// The last class that rounds exactly; kRowClasses has no such one: nothing.
std::optional<int64_t> lastExact(const Kind &kind, const Level &level) {
  std::optional<int64_t> last;
  for (int64_t mMax : kRowClasses)
    if (roundsExactly(level, shapeOf(kind, mMax)))
      last = mMax;
  return last;
}

class MatmulExact : public testing::TestWithParam<const Level *> {};

TEST_P(MatmulExact, RowsGetTheSameBits) {
  const Level &level = *GetParam();
  if (!rt::supportsLevel(level.name.str(), rt::detectCpuFeatures()))
    GTEST_SKIP() << "this CPU has no " << level.name.str();
  for (const Kind &kind : kKinds) {
    SCOPED_TRACE(layoutTestName(kind.layout, kind.act));
    const std::optional<int64_t> last = lastExact(kind, level);
    ASSERT_TRUE(last);
    ASSERT_TRUE(chooseMatmul(level, shapeOf(kind, *last)).anyRows);
    TestWeight weight(shapeOf(kind, 0), 1);
    TestActivations x(shapeOf(kind, 0), kMany, 2);
    const std::vector<float> all = product(shapeOf(kind, *last), level, weight, x, kMany, 1);
    for (int64_t mMax : kRowClasses) {
      const MatmulShape shape = shapeOf(kind, mMax);
      const int most = mMax ? static_cast<int>(mMax) : kMany;
      // A quarter of the rows: the short tile of the classes that have one.
      const bool same = sameBits(product(shape, level, weight, x, most, 3), all) &&
                        sameBits(product(shape, level, weight, x, std::max(1, most / 4), 2), all);
      EXPECT_EQ(same, roundsExactly(level, shape)) << "class " << mMax;
    }
  }
}

TEST_P(MatmulExact, RowsGetTheSameBitsWhoeverTakesTheirWeights) {
  const Level &level = *GetParam();
  if (!rt::supportsLevel(level.name.str(), rt::detectCpuFeatures()))
    GTEST_SKIP() << "this CPU has no " << level.name.str();
  for (const Kind &kind : kKinds)
    for (int64_t mMax : {1, 4, 16}) {
      SCOPED_TRACE(layoutTestName(kind.layout, kind.act) + " of " + std::to_string(mMax));
      MatmulShape shape = shapeOf(kind, mMax), dealt = shape;
      shape.n = dealt.n = kDealtN;
      auto tuning = std::make_shared<MatmulTuning>();
      tuning->set(level.name, mMax, {{"chunk_bytes", 1024}}); // less than a panel: one at a time
      dealt.tuning = tuning;
      ASSERT_EQ(chooseMatmul(level, dealt).chunkItems(dealt), 1);
      TestWeight weight(shape, 1);
      TestActivations x(shape, static_cast<int>(mMax), 2);
      const size_t bytes = rt::rowStrideBytes(kDealtN * 4) * static_cast<size_t>(mMax);
      Buffer equal(bytes, 0xff), shared(bytes, 0xff), alone(bytes, 0xff);
      const auto rows = static_cast<int32_t>(mMax);
      BuiltMatmul plain(shape, level, false), kernel(dealt, level, false);
      ASSERT_EQ(plain.error + kernel.error, "");
      plain.run(x.bytes.data(), weight.packed.data(), equal.as<float>(), rows, 3);
      std::atomic<uint32_t> taken{0};
      kernel.run(x.bytes.data(), weight.packed.data(), shared.as<float>(), rows, 3, &taken);
      EXPECT_EQ(taken, 2u + 3) << "two panels of seven are left over, and each worker asks until there is none";
      kernel.run(x.bytes.data(), weight.packed.data(), alone.as<float>(), rows, 2);
      EXPECT_EQ(std::memcmp(equal.data(), shared.data(), bytes), 0);
      EXPECT_EQ(std::memcmp(equal.data(), alone.data(), bytes), 0);
    }
}

/// Blocks of many rows are dealt by the item where each worker has enough of them.
TEST_P(MatmulExact, ManyRowsGetTheSameBitsWhoeverTakesTheirItems) {
  const Level &level = *GetParam();
  if (!rt::supportsLevel(level.name.str(), rt::detectCpuFeatures()))
    GTEST_SKIP() << "this CPU has no " << level.name.str();
  for (const Kind &kind : kKinds) {
    SCOPED_TRACE(layoutTestName(kind.layout, kind.act));
    const MatmulShape shape{16 * 40, 64, kind.layout, kind.act, 0, 1};
    TestWeight weight(shape, 1);
    TestActivations x(shape, kMany, 2);
    BuiltMatmul kernel(shape, level, false);
    ASSERT_EQ(kernel.error, "");
    const size_t bytes = rt::rowStrideBytes(static_cast<uint64_t>(shape.n) * 4) * kMany;
    Buffer equal(bytes, 0xff), shared(bytes, 0xff);
    std::atomic<uint32_t> taken{0};
    kernel.run(x.bytes.data(), weight.packed.data(), equal.as<float>(), kMany, 3);
    kernel.run(x.bytes.data(), weight.packed.data(), shared.as<float>(), kMany, 2, &taken);
    EXPECT_GT(taken, 2u + 40 / 2 / 4) << "a quarter of two blocks of 20 or 40 items";
    EXPECT_EQ(std::memcmp(equal.data(), shared.data(), bytes), 0);
    // So few items that halves of them are dealt.
    taken = 0;
    kernel.run(x.bytes.data(), weight.packed.data(), shared.as<float>(), kMany, 5, &taken);
    EXPECT_GT(taken, 5u + 20 / 4);
    EXPECT_EQ(std::memcmp(equal.data(), shared.data(), bytes), 0);
    // Too few for so many workers.
    taken = 0;
    kernel.run(x.bytes.data(), weight.packed.data(), shared.as<float>(), kMany, 40, &taken);
    EXPECT_EQ(taken, 0u);
    EXPECT_EQ(std::memcmp(equal.data(), shared.data(), bytes), 0);
  }
}

std::vector<const Level *> levels() {
  std::vector<const Level *> all;
  for (const Level &level : cpuLevels())
    if (level.name == "x86-64-v3" || &level == &cpuLevels().back())
      all.push_back(&level);
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, MatmulExact, testing::ValuesIn(levels()),
                         [](const auto &info) { return info.index == 0 ? "Avx2" : "Vnni"; });

/// What exact steps gain by: variants for few rows are among the exact ones.
TEST(MatmulExactClasses, AreThoseOfFewRowsToo) {
  const Level &vnni = cpuLevels().back(), &avx2 = *findLevel("x86-64-v3");
  auto exact = [](const Level &level, Layout layout, ActKind act) {
    std::vector<int64_t> found;
    for (int64_t mMax : kRowClasses)
      if (roundsExactly(level, shapeOf({layout, act}, mMax)))
        found.push_back(mMax);
    return found;
  };
  const std::vector<int64_t> all(std::begin(kRowClasses), std::end(kRowClasses)), few = {1, 4, 16}, fewest = {1, 4};
  EXPECT_EQ(exact(vnni, Layout::Q4N16K4Asym, ActKind::Int8), few);
  EXPECT_EQ(exact(vnni, Layout::Q4N16K4Sym, ActKind::Int8), all);
  EXPECT_EQ(exact(vnni, Layout::Q8N16K4, ActKind::Int8), all);
  EXPECT_EQ(exact(avx2, Layout::Q4N16K4Asym, ActKind::Int8), fewest);
  EXPECT_EQ(exact(avx2, Layout::Q4N16K4Sym, ActKind::Int8), fewest);
  EXPECT_EQ(exact(avx2, Layout::Q8N16K4, ActKind::Int8), fewest);
  EXPECT_EQ(exact(avx2, Layout::Q6KN16K4, ActKind::Int8), fewest);
  EXPECT_EQ(exact(avx2, Layout::Q5KN16K4, ActKind::Int8), few);
  EXPECT_EQ(exact(vnni, Layout::BF16N16K2, ActKind::F32), (std::vector<int64_t>{16, 64, 0}));
  // bf16 products round where f32 does not.
  MatmulShape rounded = shapeOf({Layout::BF16N16K2, ActKind::F32}, 16);
  rounded.bf16Products = true;
  EXPECT_FALSE(roundsExactly(vnni, rounded));
  rounded.mMax = 64;
  EXPECT_TRUE(roundsExactly(vnni, rounded));
}

} // namespace
} // namespace llmc
