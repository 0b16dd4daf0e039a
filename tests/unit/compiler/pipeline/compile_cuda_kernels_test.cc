// Levels of a CUDA build, code that the reader of engines takes, and what is refused; NVRTC compiles, no GPU runs.
#include "compiler/pipeline/CompileCudaKernels.h"

#include <gtest/gtest.h>

#include "dialects/LLM/LLMDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

namespace llmc {
namespace {

constexpr const char* kModule = R"(
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
kern.func @add(%x: !x, %y: !x, %b: !llm.batch) -> !x attributes {hero = "pointwise", config = [#kern.config<m_max = 0>]} {
  %r = llm.add %x, %y : !x loc("layers.0.residual")
  kern.yield %r : !x
}
kern.func @scale(%x: !x, %b: !llm.batch) -> !x attributes {hero = "pointwise", config = [#kern.config<m_max = 8>, #kern.config<m_max = 0>]} {
  %r = llm.scale %x {factor = 2.0} : !x
  kern.yield %r : !x
}
)";

class CompileCudaKernels : public testing::Test {
 protected:
  CompileCudaKernels() {
    context_.loadDialect<llm::LLMDialect, kern::KernDialect>();
    module_ = mlir::parseSourceString<mlir::ModuleOp>(kModule, mlir::ParserConfig(&context_));
  }
  void SetUp() override {
    ASSERT_TRUE(module_);
    if (auto nvrtc = Nvrtc::load(); !nvrtc) GTEST_SKIP() << nvrtc.status().toString();
  }

  mlir::MLIRContext context_;
  mlir::OwningOpRef<mlir::ModuleOp> module_;
};

TEST(CudaLevelNames, PtxOfTheLastArchitectureComesLast) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(cudaLevelNames({"sm_80"}), (Names{"cuda:sm_80", "cuda:compute_80"}));
  EXPECT_EQ(cudaLevelNames({"sm_80", "sm_90a"}), (Names{"cuda:sm_80", "cuda:sm_90a", "cuda:compute_90"}));
  EXPECT_EQ(cudaLevelNames({"sm_120a"}), (Names{"cuda:sm_120a", "cuda:compute_120"}));
}

TEST_F(CompileCudaKernels, CodeOfEveryVariantAtEveryLevel) {
  size_t done = 0;
  auto kernels = compileCudaKernels(*module_, {{"sm_80", "sm_90a"}, 2, false, [&](size_t now, size_t total) {
                                                 EXPECT_EQ(total, 9u);
                                                 done = now;
                                               }});
  ASSERT_TRUE(kernels) << kernels.status().toString();
  EXPECT_EQ(done, 9u);
  ASSERT_EQ(kernels->cuda.size(), 3u);
  ASSERT_EQ(kernels->variants.size(), 3u);
  EXPECT_EQ(kernels->variants[1].symbol, "scale_m8");
  for (const CudaLevel& level : kernels->cuda) {
    ASSERT_EQ(level.variants.size(), 3u);
    uint64_t end = 0;
    for (const CudaVariant& variant : level.variants) {
      EXPECT_GE(variant.offset, end);
      EXPECT_EQ(variant.offset % 64, 0u);
      end = variant.offset + variant.size;
      ASSERT_LE(end, level.code.size());
      EXPECT_GE(variant.kernel.threads, 32);
      const std::string code = level.code.substr(variant.offset, variant.size);
      if (level.name == "cuda:compute_90") {
        EXPECT_EQ(code.find('\0'), code.size() - 1);
        EXPECT_NE(code.find(".target sm_90\n"), std::string::npos);
      } else {
        EXPECT_TRUE(
            code.starts_with("\x7f"
                             "ELF"));
      }
    }
  }
  EXPECT_EQ(kernels->codeSections().size(), 3u);
}

TEST_F(CompileCudaKernels, AKernelWithoutCodeIsNamedWithArchitectureAndReason) {
  auto module = mlir::parseSourceString<mlir::ModuleOp>(R"(
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!q = !llm.qact<[T, 32], zero = 0>
kern.func @int8(%x: !x, %b: !llm.batch) -> !q attributes {hero = "pointwise", config = [#kern.config<m_max = 0>]} {
  %r = llm.quantize %x : (!x) -> !q
  kern.yield %r : !q
}
)",
                                                        mlir::ParserConfig(&context_));
  ASSERT_TRUE(module);
  auto kernels = compileCudaKernels(*module, {{"sm_80"}, 2, false, {}});
  ASSERT_FALSE(kernels);
  EXPECT_EQ(kernels.status().code(), "CG_KERNEL");
  EXPECT_NE(kernels.status().message().find("cannot write int8_any for sm_80: "), std::string::npos);
  EXPECT_NE(kernels.status().message().find("llm.quantize"), std::string::npos) << kernels.status().message();
}

TEST_F(CompileCudaKernels, ThreadsDoNotChangeTheCode) {
  auto one = compileCudaKernels(*module_, {{"sm_80"}, 1, false, {}}),
       four = compileCudaKernels(*module_, {{"sm_80"}, 4, false, {}});
  ASSERT_TRUE(one && four);
  EXPECT_EQ(one->cuda[0].code, four->cuda[0].code);
  EXPECT_EQ(one->cuda[1].code, four->cuda[1].code);
}

TEST_F(CompileCudaKernels, ListingsAreKeptWhenAskedFor) {
  auto without = compileCudaKernels(*module_, {{"sm_80"}, 1, false, {}}),
       with = compileCudaKernels(*module_, {{"sm_80"}, 1, true, {}});
  ASSERT_TRUE(with && without);
  EXPECT_TRUE(without->cuda[0].variants[0].kernel.text.empty());
  EXPECT_NE(with->cuda[0].variants[0].kernel.text.find("add_any"), std::string::npos);
  EXPECT_NE(with->kernelIr[0].find("kern.func @add"), std::string::npos);
  EXPECT_EQ(with->kernelIr[0].find("loc("), std::string::npos) << "people read it";
  const std::string& text = with->cuda[0].variants[0].kernel.text;
  EXPECT_NE(text.find("// llm.add, layers.0.residual\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace llmc
