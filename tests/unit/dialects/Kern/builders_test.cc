// Tests of the builders of the kern dialect: a dispatch, a kernel function and its call.
#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMTypes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

namespace llmc::kern {
namespace {

struct BuildersTest : testing::Test {
  BuildersTest() : b(&ctx) {
    ctx.loadDialect<KernDialect, llm::LLMDialect>();
    module = mlir::ModuleOp::create(b.getUnknownLoc());
    b.setInsertionPointToEnd(module->getBody());
    type = llm::activationType(&ctx, llm::Dim::T(), 64);
    x = arguments.addArgument(type, loc());
  }
  void TearDown() override { module->getBody()->clear(); }
  mlir::Location loc() { return b.getUnknownLoc(); }

  mlir::MLIRContext ctx;
  mlir::OpBuilder b;
  mlir::Block arguments;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::RankedTensorType type;
  mlir::Value x;
};

TEST_F(BuildersTest, DispatchHasAnArgumentAnInput) {
  auto dispatch =
      DispatchOp::create(b, loc(), mlir::TypeRange{type}, mlir::ValueRange{x}, "pointwise", {"layer 0"}, {"F9"});
  ASSERT_EQ(dispatch.getBlock().getNumArguments(), 1u);
  b.setInsertionPointToEnd(&dispatch.getBlock());
  auto sum = llm::AddOp::create(b, loc(), dispatch.getBlock().getArgument(0), dispatch.getBlock().getArgument(0));
  auto yield = YieldOp::create(b, loc(), mlir::ValueRange{sum});
  EXPECT_TRUE(mlir::succeeded(mlir::verify(dispatch)));
  EXPECT_EQ(dispatch.getYield(), yield);
  EXPECT_EQ(dispatch.getHero(), "pointwise");
  EXPECT_EQ(dispatch.getOrigin()->size(), 1u);
  EXPECT_EQ(dispatch.getFused()->size(), 1u);
}

TEST_F(BuildersTest, FunctionAndCall) {
  auto func = FuncOp::create(b, loc(), "double", b.getFunctionType({type}, {type}), "pointwise");
  mlir::Block* block = func.addEntryBlock();
  func.setConfigAttr(b.getArrayAttr({ConfigAttr::get(&ctx, 1), ConfigAttr::get(&ctx, 0)}));
  b.setInsertionPointToEnd(block);
  auto sum = llm::AddOp::create(b, loc(), block->getArgument(0), block->getArgument(0));
  YieldOp::create(b, loc(), mlir::ValueRange{sum});
  b.setInsertionPointToEnd(module->getBody());
  auto call = CallOp::create(b, loc(), func, mlir::ValueRange{x});
  EXPECT_TRUE(mlir::succeeded(mlir::verify(func)));
  mlir::SymbolTableCollection symbols;
  EXPECT_TRUE(mlir::succeeded(call.verifySymbolUses(symbols)));
  EXPECT_EQ(call.getCallee(), "double");
  EXPECT_EQ(call.getOutputs()[0].getType(), type);
  EXPECT_FALSE(call.getKvLayer());
}

TEST_F(BuildersTest, HeroNames) {
  EXPECT_TRUE(isHeroName("linear"));
  EXPECT_FALSE(isHeroName("gemm"));
}

}  // namespace
}  // namespace llmc::kern
