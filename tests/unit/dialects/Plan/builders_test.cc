// Tests of the builders of the plan dialect: a small engine, built as plan-build does.
#include "dialects/Plan/PlanDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

namespace llmc::plan {
namespace {

TEST(PlanBuilders, AnEngineThatVerifies) {
  mlir::MLIRContext ctx;
  ctx.loadDialect<PlanDialect>();
  mlir::OpBuilder b(&ctx);
  mlir::Location loc = b.getUnknownLoc();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(loc);
  b.setInsertionPointToEnd(module->getBody());
  auto engine = EngineOp::create(b, loc, b.getDictionaryAttr({}), b.getStrArrayAttr({"x86-64-v3"}), 16, 12288, 368640);
  b.setInsertionPointToEnd(&engine.getBlock());
  KernelOp::create(b, loc, "k", llvm::ArrayRef<int64_t>{1, 0}, RowsDim::Row, "linear", 3, 64, mlir::ArrayAttr(),
                   mlir::ArrayAttr());
  auto program = ProgramOp::create(b, loc, "mixed", 0, "logits", llvm::ArrayRef<int64_t>{0, 0, 128, 0});
  b.setInsertionPointToEnd(&program.getBlock());
  auto slot = SlotOp::create(b, loc, "logits", SlotUnit::Row, 64, 64);
  auto phase = PhaseOp::create(b, loc);
  b.setInsertionPointToEnd(&phase.getBlock());
  auto launch =
      LaunchOp::create(b, loc, "k", b.getArrayAttr({slotArg(&ctx, "logits"), kvArg(&ctx, 24576), batchArg(&ctx)}), 2);

  EXPECT_TRUE(mlir::succeeded(mlir::verify(*module)));
  EXPECT_EQ(engine.getAbiVersion(), 2);
  EXPECT_EQ(slot.getUnit(), SlotUnit::Row);
  EXPECT_EQ(launch.getLayer(), 2);
  EXPECT_EQ(llvm::cast<ArgAttr>(launch.getArgs()[1]).getOffset(), 24576);
  EXPECT_EQ(weightArg(&ctx, "w").getName().getValue(), "w");
}

}  // namespace
}  // namespace llmc::plan
