// Kernels to images: every variant at every level whatever the threads; what has no code and what does not link is
// named.
#include "compiler/pipeline/CompileKernels.h"

#include "dialects/LLM/LLMDialect.h"
#include "gtest/gtest.h"
#include "mlir/Parser/Parser.h"

namespace llmc {
namespace {

const char* const kVariants = "config = [#kern.config<m_max = 4>, #kern.config<m_max = 0>]";

/// A kernel that doubles rows of `columns`.
std::string doubling(const std::string& name, const std::string& columns) {
  const std::string x = "tensor<?x" + columns + "xf32, #llm.dims<[T, " + columns + "]>>";
  return "kern.func @" + name + "(%x: " + x + ", %b: !llm.batch) -> " + x + " attributes {hero = \"pointwise\", " +
         kVariants + "} {\n  %y = llm.add %x, %x : " + x + "\n  kern.yield %y : " + x + "\n}\n";
}

/// A product with weights in groups of 64, for which no kernel exists.
std::string wideGroups(const std::string& name) {
  const std::string x = "tensor<?x64xf32, #llm.dims<[T, 64]>>", w = "!llm.weight<[64, 64], #llm.q<i4, 64, sym>>";
  return "kern.func @" + name + "(%x: " + x + ", %w: " + w + ", %b: !llm.batch) -> " + x +
         " attributes {hero = \"linear\", " + kVariants + "} {\n  %y = llm.linear %x, %w : (" + x + ", " + w + ") -> " +
         x + "\n  kern.yield %y : " + x + "\n}\n";
}

class CompileKernels : public testing::Test {
 protected:
  CompileKernels() {
    mlir::DialectRegistry registry;
    registry.insert<llm::LLMDialect, kern::KernDialect>();
    context_.appendDialectRegistry(registry);
    context_.loadAllAvailableDialects();
  }

  /// `verify` false lets through what no pass can produce.
  rt::Result<CompiledKernels> compile(const std::string& text, unsigned threads = 1, bool verify = true) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&context_, verify));
    EXPECT_TRUE(module) << text;
    CompileOptions options;
    options.levels = {&cpuLevels().front(), &cpuLevels().back()};
    options.threads = threads;
    return compileKernels(*module, options);
  }

  mlir::MLIRContext context_{mlir::MLIRContext::Threading::DISABLED};
};

TEST_F(CompileKernels, EveryVariantAtEveryLevelWhateverTheThreads) {
  const std::string text = doubling("a", "64") + doubling("b", "96");
  auto one = compile(text, 1), three = compile(text, 3);
  ASSERT_TRUE(one && three) << one.status().toString();
  std::vector<std::string> symbols;
  for (const KernelVariant& variant : one->variants) symbols.push_back(variant.symbol);
  EXPECT_EQ(symbols, (std::vector<std::string>{"a_m4", "a_any", "b_m4", "b_any"}));
  ASSERT_EQ(one->images.size(), 2u);
  for (size_t level = 0; level < 2; ++level) {
    EXPECT_EQ(one->images[level].bytes, three->images[level].bytes);
    for (const std::string& symbol : symbols) EXPECT_GT(one->images[level].symbols.lookup(symbol).size, 0u) << symbol;
  }
}

TEST_F(CompileKernels, LevelsThatDifferInATableAloneShareWhatTheTableGivesBoth) {
  const std::string x = "tensor<?x64xf32, #llm.dims<[T, 64]>>", q = "!llm.qact<[T, 64], zero = 128>",
                    w = "!llm.weight<[64, 64], #llm.q<i8, 32, sym>>";
  const std::string product = "kern.func @p(%x: " + q + ", %w: " + w + ", %b: !llm.batch) -> " + x +
                              " attributes {hero = \"linear\", config = [#kern.config<m_max = 16>, "
                              "#kern.config<m_max = 64>]} {\n  %y = llm.linear %x, %w : (" +
                              q + ", " + w + ") -> " + x + "\n  kern.yield %y : " + x + "\n}\n";
  auto module = mlir::parseSourceString<mlir::ModuleOp>(doubling("a", "64") + product, mlir::ParserConfig(&context_));
  ASSERT_TRUE(module);
  CompileOptions options;
  options.levels = {findLevel("x86-64-v4-vnni-bf16"), findLevel("x86-64-v4-vnni-bf16-vp2intersect")};
  size_t tasks = 0;
  options.progress = [&](size_t, size_t total) { tasks = total; };
  auto both = compileKernels(*module, options);
  ASSERT_TRUE(both) << both.status().toString();
  EXPECT_EQ(tasks, 5u) << "two variants of each kernel, and the product's for 64 rows once more";
  EXPECT_EQ(both->images[1].symbols.size(), 4u);
  options.levels = {findLevel("x86-64-v4-vnni-bf16-vp2intersect")};
  auto alone = compileKernels(*module, options);
  ASSERT_TRUE(alone);
  EXPECT_EQ(alone->images[0].bytes, both->images[1].bytes);
}

TEST_F(CompileKernels, AKernelWithoutCodeIsNamedWithLevelAndReason) {
  auto refused = compile(doubling("good", "64") + wideGroups("wide"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.status().code(), "CG_KERNEL");
  EXPECT_EQ(rt::exitStatus(refused.status().kind()), 70) << "no model may come to this: form-fallback keeps it out";
  EXPECT_EQ(refused.status().message().find("cannot compile wide_m4 for x86-64-v3: "), 0u)
      << refused.status().message();
  EXPECT_NE(refused.status().message().find("weight groups of 64"), std::string::npos) << refused.status().message();
}

TEST_F(CompileKernels, AnImageThatDoesNotLinkSaysWhy) {
  auto refused = compile(doubling("same", "64") + doubling("same", "96"), 1, /*verify=*/false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.status().code(), "CG_LINK");
  EXPECT_EQ(rt::exitStatus(refused.status().kind()), 70);
  EXPECT_NE(refused.status().message().find("same_m4"), std::string::npos) << refused.status().message();
}

}  // namespace
}  // namespace llmc
