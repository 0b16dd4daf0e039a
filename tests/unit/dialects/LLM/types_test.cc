// Tests of the short forms for types and of the numbers that attributes answer.
#include "dialects/LLM/LLMTypes.h"

#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace llmc::llm {
namespace {

struct TypesTest : testing::Test {
  TypesTest() { ctx.loadDialect<LLMDialect>(); }
  mlir::MLIRContext ctx;
};

TEST_F(TypesTest, ActivationRemembersRowsAndColumns) {
  auto type = activationType(&ctx, Dim::T(), 576);
  EXPECT_TRUE(type.isDynamicDim(0));
  EXPECT_EQ(rowsDim(type), Dim::T());
  EXPECT_EQ(cols(type), 576);
  EXPECT_TRUE(isActivation(type));
  EXPECT_EQ(rowsDim(withCols(type, 32)), Dim::T());
  EXPECT_EQ(cols(withCols(type, 32)), 32);
}

TEST_F(TypesTest, FixedRowsAreStatic) {
  auto type = activationType(&ctx, Dim::fixed(3), 4, mlir::Float16Type::get(&ctx));
  EXPECT_EQ(type.getDimSize(0), 3);
  EXPECT_TRUE(isFloatActivation(type));
  EXPECT_FALSE(isActivation(type));
}

TEST_F(TypesTest, PlainTensorsAreNoActivations) {
  auto plain = mlir::RankedTensorType::get({mlir::ShapedType::kDynamic, 4}, mlir::Float32Type::get(&ctx));
  EXPECT_FALSE(isActivation(plain));
  EXPECT_FALSE(dimsOf(plain));
}

TEST_F(TypesTest, QuantizedActivationAnswersTheSameQuestions) {
  mlir::Type type = QActType::get(&ctx, Dim::S(), 64, 8);
  EXPECT_EQ(rowsDim(type), Dim::S());
  EXPECT_EQ(cols(type), 64);
}

TEST_F(TypesTest, ZeroOfAnActivationFollowsTheWeight) {
  EXPECT_EQ(QuantAttr::get(&ctx, QuantKind::I4, 32, true).activationZero(), 8);
  EXPECT_EQ(QuantAttr::get(&ctx, QuantKind::I4, 32, false).activationZero(), 0);
  EXPECT_EQ(QuantAttr::get(&ctx, QuantKind::I8, 32, true).activationZero(), 128);
  EXPECT_EQ(QuantAttr::get(&ctx, QuantKind::I5, 32, true).activationZero(), 16);
  EXPECT_EQ(QuantAttr::get(&ctx, QuantKind::I5, 32, false).activationZero(), 0);
  EXPECT_EQ(QuantAttr::get(&ctx, QuantKind::I4, 32, false, true).activationZero(), 0);
  QuantAttr six = QuantAttr::get(&ctx, QuantKind::I6, 16, true, true);
  EXPECT_EQ(six.activationZero(), 32);
  EXPECT_TRUE(six.isInteger());
  EXPECT_EQ(six.describe(), "i6 g16 sym k256");
  EXPECT_EQ(QuantAttr::get(&ctx, QuantKind::BF16).describe(), "bf16");
  EXPECT_FALSE(QuantAttr::get(&ctx, QuantKind::BF16).isInteger());
}

TEST_F(TypesTest, OneDimensionalWeightHasOneColumn) {
  auto type = WeightType::get(&ctx, {576}, QuantAttr::get(&ctx, QuantKind::F32));
  EXPECT_FALSE(type.isMatrix());
  EXPECT_EQ(type.rows(), 576);
  EXPECT_EQ(type.cols(), 1);
}

TEST_F(TypesTest, RopeFrequencies) {
  auto plain = RopeAttr::get(&ctx, 10000.0, 64, RopeStyle::Neox);
  EXPECT_DOUBLE_EQ(plain.frequency(0), 1.0);
  EXPECT_DOUBLE_EQ(plain.frequency(16), 0.01);
  auto linear = RopeAttr::get(&ctx, 10000.0, 64, RopeStyle::Neox, RopeScaling::Linear, 4.0);
  EXPECT_DOUBLE_EQ(linear.frequency(16), 0.0025);
}

/// Short wavelengths stay, long ones are divided by the factor, and between them the value lies between.
TEST_F(TypesTest, Llama3ScalingHasThreeRanges) {
  auto plain = RopeAttr::get(&ctx, 500000.0, 64, RopeStyle::Neox);
  auto scaled = RopeAttr::get(&ctx, 500000.0, 64, RopeStyle::Neox, RopeScaling::Llama3, 8.0, 1.0, 4.0, 8192);
  int kept = 0, stretched = 0, between = 0;
  for (int64_t i = 0; i < 32; ++i) {
    double f = plain.frequency(i), wavelength = 2.0 * std::numbers::pi / f;
    if (wavelength < 8192.0 / 4.0) {
      EXPECT_DOUBLE_EQ(scaled.frequency(i), f);
      ++kept;
    } else if (wavelength > 8192.0) {
      EXPECT_DOUBLE_EQ(scaled.frequency(i), f / 8.0);
      ++stretched;
    } else {
      EXPECT_LT(scaled.frequency(i), f);
      EXPECT_GT(scaled.frequency(i), f / 8.0);
      ++between;
    }
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(stretched, 0);
  EXPECT_GT(between, 0);
}

}  // namespace
}  // namespace llmc::llm
