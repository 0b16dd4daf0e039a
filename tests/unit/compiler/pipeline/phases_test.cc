// The order of passes, IR printed where it is asked for, and failures with the diagnostics of the pass.
#include "compiler/pipeline/Phases.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "dialects/LLM/LLMDialect.h"
#include "gtest/gtest.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

namespace fs = std::filesystem;

const char* const kModel = R"(
  llm.weight @norm : !llm.weight<[32], #llm.q<f32>> {sources = [#llm.source<"n", rows = 32>]}
  func.func @forward(%b: !llm.batch, %kv: !llm.kv<layers = 1, heads = 1, dim = 32, page = 1>) { return }
)";

TEST(Phases, PassesComeInTheirOrderAndEachOnce) {
  std::vector<std::string> flags = passFlags();
  const auto at = [&](const char* flag) { return std::find(flags.begin(), flags.end(), flag) - flags.begin(); };
  EXPECT_EQ(at("llm-verify-model"), 0);
  EXPECT_LT(at("llm-quantize"), at("kern-form-kernels"));
  EXPECT_LT(at("kern-form-kernels"), at("plan-build"));
  EXPECT_LT(at("plan-memory"), at("plan-verify"));
  EXPECT_LT(at("plan-verify"), at("kern-lower-cpu"));
  EXPECT_EQ(flags.back(), "kern-lower-cuda");
}

TEST(Phases, IrIsPrintedWhereItIsAskedFor) {
  TempFolder folder;
  PassOptions options;
  options.dumpDir = folder.path() + "/d";
  const auto print = [&](const char* when, const char* flag) {
    return printIr(options, when, flag, [] { return std::string("the text"); }).isOk();
  };
  EXPECT_TRUE(print("after", "llm-quantize"));
  EXPECT_FALSE(fs::exists(options.dumpDir)) << "nobody asked";
  options.printAfter = "llm-quantize";
  options.printBefore = "all";
  EXPECT_TRUE(print("after", "llm-quantize") && print("before", "plan-build") && print("after", "plan-build"));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(options.dumpDir)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  ASSERT_EQ(names.size(), 2u);
  EXPECT_TRUE(names[0].ends_with("-llm-quantize.mlir")) << names[0];
  EXPECT_TRUE(names[1].ends_with("-before-plan-build.mlir")) << names[1];
  std::stringstream text;
  text << std::ifstream(options.dumpDir + "/" + names[0]).rdbuf();
  EXPECT_EQ(text.str(), "the text");
  folder.write("file", "");
  options.dumpDir = folder.path() + "/file/d";
  EXPECT_EQ(printIr(options, "after", "llm-quantize", [] { return std::string(); }).code(), "OUT_IO");
}

TEST(Phases, AFailedPassTellsWhy) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<llm::LLMDialect, mlir::func::FuncDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(kModel, mlir::ParserConfig(&context));
  ASSERT_TRUE(module);
  std::vector<std::string> remarks;
  EXPECT_TRUE(runPhase(*module, Phase::Import, {}, remarks)) << "no pass at all";
  const rt::Status status = runPhase(*module, Phase::Graph, {}, remarks);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.code(), "PASS");
  EXPECT_EQ(status.kind(), rt::ErrorKind::kBadInput);
  EXPECT_NE(status.message().find("expected"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace llmc
