// Numbers of configurations: each legal one is found again by its own, and what is not legal is told.
#include "codegen/cuda/matmul/ProductTuning.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

TEST(ProductTuning, NumbersNameOneConfiguration) {
  for (auto [arch, shape] : {std::pair<const char *, ProductShape>{"sm_90a", {1024, 4096, Layout::BF16M16K16, 8, 1}},
                             {"sm_80", {128, 7168, Layout::Q4M16K64Asym, 16, 1}},
                             {"sm_120a", {3072, 576, Layout::Q8M16K32, 32, 2}},
                             {"sm_90a", {4096, 4096, Layout::E4M3M16K32, 0, 1}},
                             {"sm_90a", {4096, 4096, Layout::BF16M16K16, 512, 1}},
                             {"sm_86", {4096, 4096, Layout::F16M16K16, 64, 1}}}) {
    const std::vector<ProductConfig> legal = legalProducts(*findArch(arch), shape);
    ASSERT_GT(legal.size(), 3u);
    for (const ProductConfig &config : legal) {
      std::string fault;
      EXPECT_EQ(productWith(*findArch(arch), shape, productNumbers(config), fault), config)
          << describeProduct(*findArch(arch), shape, config);
      EXPECT_EQ(fault, "");
    }
  }
}

TEST(ProductTuning, TheModelDecidesWhatIsLeftOpen) {
  const Arch &arch = *findArch("sm_90a");
  ProductShape shape{4096, 4096, Layout::BF16M16K16, 8, 1};
  std::string fault;
  EXPECT_EQ(productWith(arch, shape, {}, fault), chooseProduct(arch, shape));
  const ProductConfig six = productWith(arch, shape, {{"k_warps", 6}}, fault);
  EXPECT_EQ(six.kWarps, 6);
  for (const ProductConfig &config : legalProducts(arch, shape))
    if (config.kWarps == 6)
      EXPECT_LE(productCost(arch, shape, six, 8).us(), productCost(arch, shape, config, 8).us() * 1.02);
  shape.mMax = 0;
  EXPECT_EQ(productWith(arch, shape, {{"form", 1}}, fault).form, ProductForm::Tile);
  EXPECT_EQ(fault, "");
}

TEST(ProductTuning, FaultsSayWhatIsExpected) {
  const Arch &arch = *findArch("sm_80");
  ProductShape shape{64, 256, Layout::Q4M16K64Sym, 8, 1};
  const std::pair<std::vector<TunedNumber>, const char *> cases[] = {
      {{{"warps", 4}}, "unknown number 'warps'"},
      {{{"k_warps", 5}}, "k_warps 5: expected 4, 6, 8, 10, 12, 14, 16 on sm_80"},
      {{{"splits", 2}}, "splits 2: expected 1 on sm_80"}, // four steps, and four warps at the least
      {{{"form", 2}}, "form 2: expected 0 on sm_80"},
      {{{"panels", 1}, {"panels", 4}}, "panels 4: expected 1 on sm_80, with the numbers before it"}};
  for (const auto &[numbers, expected] : cases) {
    std::string fault;
    EXPECT_EQ(productWith(arch, shape, numbers, fault), chooseProduct(arch, shape));
    EXPECT_NE(fault.find(expected), std::string::npos) << fault << "\n  not " << expected;
  }
}

TEST(ProductTuning, KeysAreReadAsTheyArePrinted) {
  const CudaProduct product{960, 576, Layout::Q4M16K64Asym, 2};
  const std::string key = cudaProductKey(product);
  EXPECT_EQ(key, "960x576," + std::string(layoutName(Layout::Q4M16K64Asym)) + ",2");
  auto read = readCudaProduct(key);
  ASSERT_TRUE(read);
  EXPECT_EQ(cudaProductKey(*read), key);
}

} // namespace
} // namespace llmc
