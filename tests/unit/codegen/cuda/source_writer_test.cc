// The text builder: indentation, names, comments that cannot become code, floats that read back.
#include "codegen/cuda/SourceWriter.h"

#include "tests/unit/codegen/cuda/module_text.h"
#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>
#include <limits>

using namespace llmc;

namespace {

TEST(SourceWriterTest, ScopesIndentAndClose) {
  SourceWriter writer;
  {
    auto outer = writer.scope("if (a)");
    auto inner = writer.scope("");
    writer.line("b();");
    inner.end();
    writer.line();
    writer.line("c();");
  }
  EXPECT_EQ(writer.text(), "if (a) {\n  {\n    b();\n  }\n\n  c();\n}\n");
}

TEST(SourceWriterTest, NamesDoNotClash) {
  SourceWriter writer;
  EXPECT_EQ(writer.fresh("x"), "x_0");
  EXPECT_EQ(writer.let("float", "x", "a + b"), "x_1");
  EXPECT_EQ(writer.let("int", "y", "x_1"), "x_1"); // a name needs no other
  EXPECT_EQ(writer.let("int", "y", "12"), "12");
  EXPECT_EQ(writer.text(), "const float x_1 = a + b;\n");
}

TEST(SourceWriterTest, CommentsStayOnTheirLine) {
  SourceWriter writer;
  writer.comment("model\nint evil; \\");
  EXPECT_EQ(writer.text(), "// model?int evil; ?\n");
}

TEST(SourceWriterTest, OriginNamesOpLayerAndPlace) {
  ModuleText text("!x = tensor<?x8xf32, #llm.dims<[T, 8]>>\n"
                  "kern.func @k(%x: !x, %b: !llm.batch) -> !x attributes {hero = \"pointwise\"} {\n"
                  "  %0 = llm.add %x, %x : !x loc(\"layers.residual\"(\"/home/me/model.mlir\":3:4))\n"
                  "  kern.yield %0 : !x\n}\n");
  ASSERT_TRUE(text.module()) << text.diagnostics();
  mlir::Operation &add = text.first().getBody().front().front();
  EXPECT_EQ(describeOrigin(&add), "llm.add, layers.residual (model.mlir:3:4)");
}

TEST(SourceWriterTest, OriginOfWhatWasFusedOrHasNone) {
  ModuleText text("!x = tensor<?x8xf32, #llm.dims<[T, 8]>>\n"
                  "kern.func @k(%x: !x, %b: !llm.batch) -> !x attributes {hero = \"pointwise\"} {\n"
                  "  %0 = llm.add %x, %x : !x loc(fused<\"F1\">[\"layers.0.q\", \"layers.0.k\"(\"/m.mlir\":5:6)])\n"
                  "  %1 = llm.add %0, %x : !x loc(unknown)\n"
                  "  kern.yield %1 : !x\n}\n");
  ASSERT_TRUE(text.module()) << text.diagnostics();
  auto ops = text.first().getBody().front().begin();
  EXPECT_EQ(describeOrigin(&*ops++), "llm.add, layers.0.q (m.mlir:5:6)");
  EXPECT_EQ(describeOrigin(&*ops), "llm.add");
}

TEST(SourceWriterTest, FloatsReadBackToTheSameBits) {
  for (float value : {0.0f, -0.0f, 1.0f, 0.1f, -3.5e-7f, 1.17549435e-38f, 1e-45f, std::numeric_limits<float>::max()}) {
    std::string literal = floatLiteral(value);
    ASSERT_EQ(literal.back(), 'f');
    const float back = std::strtof(literal.c_str(), nullptr);
    EXPECT_EQ(back, value) << literal;
    EXPECT_EQ(std::signbit(back), std::signbit(value)) << literal;
  }
  EXPECT_EQ(floatLiteral(std::numeric_limits<double>::infinity()), "__int_as_float(0x7f800000)");
  EXPECT_EQ(floatLiteral(-1e300), "__int_as_float(0xff800000)");
  EXPECT_EQ(floatLiteral(std::nan("")), "__int_as_float(0x7fc00000)");
}

} // namespace
