// Tests of the builders that infer result types: what they build verifies and has the type the op's rules ask for.
#include "dialects/LLM/LLMTypes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

namespace llmc::llm {
namespace {

/// A module with a block of arguments to build on.
struct BuildersTest : testing::Test {
  BuildersTest() : b(&ctx) {
    ctx.loadDialect<LLMDialect>();
    module = mlir::ModuleOp::create(b.getUnknownLoc());
    b.setInsertionPointToEnd(module->getBody());
  }
  mlir::Location loc() { return b.getUnknownLoc(); }
  mlir::Value argument(mlir::Type type) { return arguments.addArgument(type, loc()); }
  mlir::Value activation(Dim rows, int64_t columns) { return argument(activationType(&ctx, rows, columns)); }
  mlir::Value weight(llvm::ArrayRef<int64_t> shape, QuantAttr quant) {
    return argument(WeightType::get(&ctx, shape, quant));
  }
  QuantAttr f32() { return QuantAttr::get(&ctx, QuantKind::F32); }
  /// Verifies and drops everything built, before the arguments it uses die.
  void TearDown() override {
    for (mlir::Operation& op : *module->getBody()) EXPECT_TRUE(mlir::succeeded(mlir::verify(&op)));
    module->getBody()->clear();
  }

  mlir::MLIRContext ctx;
  mlir::OpBuilder b;
  mlir::Block arguments;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

TEST_F(BuildersTest, RowsAndColumnsFollowTheOperands) {
  mlir::Value batch = argument(BatchType::get(&ctx));
  mlir::Value table = weight({96, 64}, QuantAttr::get(&ctx, QuantKind::F16));
  auto x = EmbedOp::create(b, loc(), batch, table);
  EXPECT_EQ(x.getType(), activationType(&ctx, Dim::T(), 64));
  EXPECT_EQ(x.getScale(), 1.0);
  auto s = SelectRowsOp::create(b, loc(), x, batch);
  EXPECT_EQ(s.getType(), activationType(&ctx, Dim::S(), 64));
  auto logits = LinearOp::create(b, loc(), s, table);
  EXPECT_EQ(logits.getType(), activationType(&ctx, Dim::S(), 96));
  auto argmax = ArgmaxOp::create(b, loc(), logits, 40);
  EXPECT_EQ(argmax.getType(), activationType(&ctx, Dim::S(), 6));
  EXPECT_EQ(argmax.tiles(), 3);
  EXPECT_EQ(KeepRowsOp::create(b, loc(), logits, batch).getType(), logits.getType());
  EXPECT_EQ(SliceOp::create(b, loc(), logits, 16, 32).getType(), activationType(&ctx, Dim::S(), 32));
}

TEST_F(BuildersTest, NormsKeepTheType) {
  mlir::Value x = activation(Dim::T(), 64);
  auto rms = RMSNormOp::create(b, loc(), x, weight({64}, f32()), 1e-5);
  EXPECT_EQ(rms.getType(), x.getType());
  EXPECT_FALSE(rms.getUnitOffset());
  EXPECT_EQ(rms.getSegment(), 0);
  auto layer = LayerNormOp::create(b, loc(), x, weight({64}, f32()), mlir::Value(), 1e-5);
  EXPECT_EQ(layer.getType(), x.getType());
  EXPECT_EQ(layer.getEps(), 1e-5);
}

TEST_F(BuildersTest, QuantizedLinear) {
  auto quant = QuantAttr::get(&ctx, QuantKind::I4, 32, true);
  auto q = QuantizeOp::create(b, loc(), activation(Dim::T(), 64), quant.activationZero());
  EXPECT_EQ(q.getType(), QActType::get(&ctx, Dim::T(), 64, 8));
  auto y = LinearOp::create(b, loc(), q, weight({96, 64}, quant), weight({96}, f32()));
  EXPECT_EQ(y.getType(), activationType(&ctx, Dim::T(), 96));
  EXPECT_TRUE(y.getBias());
}

TEST_F(BuildersTest, AttentionInItsTwoForms) {
  mlir::Value batch = argument(BatchType::get(&ctx)), kv = argument(KvType::get(&ctx, 2, 1, 32, 16));
  mlir::Value x = activation(Dim::T(), 64), k = activation(Dim::T(), 32);
  auto rope = RopeAttr::get(&ctx, 1e5, 32, RopeStyle::Neox);
  auto q = RopeOp::create(b, loc(), x, batch, mlir::Value(), rope, 32);
  EXPECT_EQ(q.getType(), x.getType());
  KvWriteOp::create(b, loc(), kv, k, k, batch, 1);
  auto whole = AttendOp::create(b, loc(), q, kv, batch, 1, 2, 0.125);
  EXPECT_EQ(whole.getType(), x.getType());
  auto part = AttendPartialOp::create(b, loc(), q, kv, batch, 1, 2, 0.125, 0, 0.0, 4);
  EXPECT_EQ(cols(part.getType()), 2 * 4 * 34);
  EXPECT_EQ(AttendMergeOp::create(b, loc(), part, 2, 32, 4).getType(), x.getType());
}

TEST_F(BuildersTest, Pointwise) {
  mlir::Value x = activation(Dim::T(), 64);
  EXPECT_EQ(GluOp::create(b, loc(), x, x, ActFn::Silu).getType(), x.getType());
  auto interleaved = GluOp::create(b, loc(), x, ActFn::Silu);
  EXPECT_EQ(cols(interleaved.getType()), 32);
  EXPECT_EQ(interleaved.getInterleave(), 16);
  EXPECT_EQ(AddOp::create(b, loc(), x, x).getType(), x.getType());
  EXPECT_EQ(MulOp::create(b, loc(), x, x).getType(), x.getType());
  EXPECT_EQ(ActOp::create(b, loc(), x, ActFn::Relu).getFn(), ActFn::Relu);
  EXPECT_EQ(ScaleOp::create(b, loc(), x, 0.5).getFactor(), 0.5);
  EXPECT_EQ(SoftcapOp::create(b, loc(), x, 30.0).getCap(), 30.0);
}

TEST_F(BuildersTest, UseTakesTheTypeOfTheWeight) {
  auto type = WeightType::get(&ctx, {96, 64}, f32());
  auto source = SourceAttr::get(&ctx, "e", 96, 0);
  auto weight = WeightOp::create(b, loc(), "e", type, b.getArrayAttr({source}), Arrange::None, RopeAttr(),
                                 mlir::StringAttr(), mlir::StringAttr());
  auto use = UseOp::create(b, loc(), weight);
  EXPECT_EQ(use.getWeight(), "e");
  EXPECT_EQ(use.getType(), type);
  EXPECT_FALSE(weight.getGenerated());
  EXPECT_FALSE(weight.getLayout());
}

}  // namespace
}  // namespace llmc::llm
