// What LLVM calls fatal ends a build with one line, a status and no file; in children, which it ends.
#include "compiler/pipeline/FatalErrors.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "codegen/cpu/ObjectCompiler.h"
#include "compiler/pipeline/UnfinishedEngine.h"
#include "llvm/Support/ErrorHandling.h"
#include "mlir/Parser/Parser.h"

namespace llmc {
namespace {

class FatalErrorsDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/llmc_fatal_XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  void TearDown() override {
    EXPECT_TRUE(std::filesystem::is_empty(folder_)) << "left behind";
    std::filesystem::remove_all(folder_);
  }
  /// Ends the process in `fatal` with an engine that is being written.
  template <typename Fatal>
  void endInBuild(const Fatal& fatal) const {
    explainFatalErrors();
    auto engine = UnfinishedEngine::create(folder_ + "/engine.bin", false);
    if (!engine || std::filesystem::is_empty(folder_)) _exit(1);  // there must be something to remove
    fatal();
    _exit(2);
  }

  std::string folder_;
};

TEST_F(FatalErrorsDeathTest, LlvmsErrorIsNamedAndLeavesNothing) {
  EXPECT_EXIT(endInBuild([] { llvm::reportFatalInternalError("Cannot select: it"); }), testing::ExitedWithCode(70),
              "^error.CG_LLVM. LLVM gave up: Cannot select: it; this is a bug of llmc: [^\n]*\n$");
}

/// What a family would do that used an instruction which its level lacks.
TEST_F(FatalErrorsDeathTest, AnInstructionThatTheLevelLacks) {
  const char* const module = R"(
    llvm.func @k(%x: !llvm.ptr) {
      %a = llvm.load %x : !llvm.ptr -> vector<16xi32>
      %b = llvm.load %x : !llvm.ptr -> vector<64xi8>
      %c = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%a, %b, %b) :
          (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
      llvm.store %c, %x : vector<16xi32>, !llvm.ptr
      llvm.return
    })";
  const auto compileFor = [&](const char* level) {
    mlir::DialectRegistry registry;
    registerKernelDialects(registry);
    mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
    context.loadAllAvailableDialects();
    auto parsed = mlir::parseSourceString<mlir::ModuleOp>(module, mlir::ParserConfig(&context));
    if (!parsed) _exit(3);
    auto compiled = compileKernel(*parsed, *findLevel(level), /*wantListing=*/false);
    _exit(compiled ? 4 : 5);
  };
  EXPECT_EXIT(endInBuild([&] { compileFor("x86-64-v3"); }), testing::ExitedWithCode(70),
              "^error.CG_LLVM. LLVM gave up: Do not know how to split the result of this operator!; [^\n]*\n$");
  EXPECT_EXIT(compileFor("x86-64-v4-vnni"), testing::ExitedWithCode(4), "");
}

TEST_F(FatalErrorsDeathTest, ShortagesAreTheSystems) {
  EXPECT_EXIT(endInBuild([] { llvm::reportFatalInternalError("pthread_create failed: Resource unavailable"); }),
              testing::ExitedWithCode(69), "^error.RT_THREADS. [^\n]*\n$");
  EXPECT_EXIT(endInBuild([] { llvm::report_bad_alloc_error("out of memory"); }), testing::ExitedWithCode(69),
              "^error.RT_MEMORY. [^\n]*\n$");
}

}  // namespace
}  // namespace llmc
