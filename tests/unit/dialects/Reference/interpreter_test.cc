// Tests of the interpreter's interface: inputs, the weight provider, the probe, refusals.
#include "dialects/Reference/Interpreter.h"

#include "dialects/Reference/Eval.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cmath>

namespace llmc::reference {
namespace {

constexpr const char* kModel = R"(
!x = tensor<?x2xf32, #llm.dims<[T, 2]>>
!w = !llm.weight<[2, 2], #llm.q<f32>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 2>]}
func.func @twice(%b: !llm.batch, %x: !x) -> (!x, !x) {
  %w = llm.use @w : !w
  %again = llm.use @w : !w
  %y = llm.linear %x, %w : (!x, !w) -> !x
  %z = llm.linear %y, %again : (!x, !w) -> !x
  return %z, %y : !x, !x
})";

struct InterpreterTest : testing::Test {
  InterpreterTest() {
    ctx.loadDialect<llm::LLMDialect, mlir::func::FuncDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(kModel, &ctx);
  }
  /// w = [[0, 1], [2, 0]]; counts how often it is asked for.
  WeightProvider provider() {
    return [this](llm::WeightOp) -> mlir::FailureOr<Tensor> {
      ++asked;
      Tensor w(2, 2);
      w.data = {0, 1, 2, 0};
      return w;
    };
  }
  mlir::MLIRContext ctx;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  int asked = 0;
};

TEST_F(InterpreterTest, RunsOnInputsAndAsksForAWeightOnce) {
  Interpreter interpreter(*module, provider());
  KvCache kv;
  Tensor x(1, 2);
  x.data = {3, 5};
  for (int run = 0; run < 2; ++run) {
    auto results = interpreter.run("twice", Batch(), kv, {x});
    ASSERT_TRUE(mlir::succeeded(results));
    EXPECT_EQ((*results)[1].data, (std::vector<double>{5, 6}));
    EXPECT_EQ((*results)[0].data, (std::vector<double>{6, 10}));
  }
  EXPECT_EQ(asked, 1);
}

TEST(Batch, KeepsTheRowsItAsksFor) {
  Tensor x(3, 1);
  x.data = {1, 2, 3};
  Batch batch;
  EXPECT_EQ(keepRows(x, batch).data, x.data);
  batch.logitsWanted = {0, 1, 0};
  const Tensor kept = keepRows(x, batch);
  EXPECT_TRUE(std::isnan(kept.at(0, 0)) && std::isnan(kept.at(2, 0)));
  EXPECT_EQ(kept.at(1, 0), 2);
}

TEST_F(InterpreterTest, ProbeSeesEveryResultInOrder) {
  Interpreter interpreter(*module, provider());
  std::vector<std::vector<double>> seen;
  interpreter.setProbe([&](mlir::Value, const Tensor& tensor) { seen.push_back(tensor.data); });
  KvCache kv;
  Tensor x(1, 2);
  x.data = {3, 5};
  ASSERT_TRUE(mlir::succeeded(interpreter.run("twice", Batch(), kv, {x})));
  EXPECT_EQ(seen, (std::vector<std::vector<double>>{{5, 6}, {6, 10}}));
}

TEST_F(InterpreterTest, RefusesWithADiagnostic) {
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&ctx, [&](mlir::Diagnostic& diag) { message = diag.str(); });
  Interpreter interpreter(*module, provider());
  KvCache kv;
  EXPECT_TRUE(mlir::failed(interpreter.run("absent", Batch(), kv)));
  EXPECT_NE(message.find("expected a func.func named 'absent'"), std::string::npos);
  EXPECT_TRUE(mlir::failed(interpreter.run("twice", Batch(), kv)));
  EXPECT_NE(message.find("expected an input for each tensor argument"), std::string::npos);
}

TEST_F(InterpreterTest, AFailingProviderFailsTheRun) {
  Interpreter interpreter(*module, [](llm::WeightOp) -> mlir::FailureOr<Tensor> { return mlir::failure(); });
  KvCache kv;
  EXPECT_TRUE(mlir::failed(interpreter.run("twice", Batch(), kv, {Tensor(1, 2)})));
}

}  // namespace
}  // namespace llmc::reference
