// Numbers that kern-select-config has left, and configurations by them.
#include "codegen/cuda/TunedChoice.h"
#include "tests/unit/codegen/cuda/module_text.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

constexpr const char *kModule = R"(
!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
kern.func @k(%x: !x, %b: !llm.batch) -> !x attributes {hero = "pointwise",
    config = [#kern.config<m_max = 8, params = {sm_80 = {a = 3 : i64, b = 4 : i64}}>, #kern.config<m_max = 0>]} {
  %y = llm.add %x, %x : !x
  kern.yield %y : !x
}
)";

TEST(TunedChoice, NumbersAreOfOneVariantAndArchitecture) {
  ModuleText module(kModule);
  ASSERT_TRUE(module.module()) << module.diagnostics();
  const std::vector<TunedNumber> expected = {{"a", 3}, {"b", 4}}, asked = {{"a", 1}};
  EXPECT_EQ(tunedNumbers(module.first(), 8, "sm_80"), expected);
  EXPECT_TRUE(tunedNumbers(module.first(), 0, "sm_80").empty());
  EXPECT_TRUE(tunedNumbers(module.first(), 8, "sm_90a").empty());
  EXPECT_EQ(numbersFor({module.first(), "k", *findArch("sm_80"), 8}), expected);
  EXPECT_EQ(numbersFor({module.first(), "k", *findArch("sm_80"), 8, false, asked}), asked);
}

/// Whoever reads an explanation sees that a measurement has decided.
TEST(TunedChoice, KernelsSayWhereTheirNumbersAreFrom) {
  ModuleText module(kModule);
  ASSERT_TRUE(module.module()) << module.diagnostics();
  for (const int64_t mMax : {8, 0}) {
    auto kernel = emitCudaKernel({module.first(), "k", *findArch("sm_80"), mMax});
    ASSERT_TRUE(mlir::succeeded(kernel)) << module.diagnostics();
    EXPECT_EQ(kernel->config.find("; numbers of --tuning") != std::string::npos, mMax == 8) << kernel->config;
  }
}

struct Pair {
  int64_t a, b;
  friend bool operator==(const Pair &, const Pair &) = default;
};

TEST(TunedChoice, ConfigurationsAreFoundByTheirNumbers) {
  static constexpr ConfigNumber<Pair> kNumbers[] = {{"a", [](const Pair &pair) { return pair.a; }},
                                                    {"b", [](const Pair &pair) { return pair.b; }}};
  const std::vector<Pair> all = {{1, 1}, {1, 2}, {2, 2}};
  auto with = [&](std::vector<TunedNumber> numbers, std::string &fault) {
    return configsWith<Pair>(all, numbers, kNumbers, "sm_80", fault);
  };
  std::string fault = "old";
  EXPECT_EQ(with({}, fault), all);
  EXPECT_EQ(fault, "");
  EXPECT_EQ(with({{"a", 1}}, fault), (std::vector<Pair>{{1, 1}, {1, 2}}));
  EXPECT_EQ(with({{"b", 2}, {"a", 2}}, fault), (std::vector<Pair>{{2, 2}}));
  EXPECT_EQ(fault, "");
  EXPECT_EQ(with({{"a", 2}, {"b", 1}}, fault), all);
  EXPECT_EQ(fault, "b 1: expected 2 on sm_80, with the numbers before it");
  EXPECT_EQ(with({{"c", 1}}, fault), all);
  EXPECT_EQ(fault, "unknown number 'c'");
}

} // namespace
} // namespace llmc
