// What an engine says of its model: sizes of the config, storages of the matrices, how products are computed.
#include "compiler/pipeline/ModelFacts.h"

#include "dialects/LLM/LLMDialect.h"
#include "gtest/gtest.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

namespace llmc {
namespace {

class ModelFacts : public testing::Test {
 protected:
  ModelFacts() { context_.loadDialect<llm::LLMDialect, mlir::func::FuncDialect>(); }
  mlir::OwningOpRef<mlir::ModuleOp> parse(const char* text) {
    return mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&context_));
  }
  mlir::MLIRContext context_{mlir::MLIRContext::Threading::DISABLED};
};

TEST_F(ModelFacts, StoragesComeByTheirParametersAndTablesDoNotCount) {
  auto module = parse(R"(
    llm.weight @small : !llm.weight<[32, 32], #llm.q<i8, 32, sym>> {sources = [#llm.source<"s", rows = 32>]}
    llm.weight @big : !llm.weight<[96, 32], #llm.q<i4, 32, asym>> {sources = [#llm.source<"b", rows = 96>]}
    llm.weight @norm : !llm.weight<[32], #llm.q<f32>> {sources = [#llm.source<"n", rows = 32>]}
    llm.weight @table : !llm.weight<[258, 16], #llm.q<f32>> {generated = #llm.rope<theta = 1.0e4, dim = 16, style = neox, scaling = none>}
  )");
  ASSERT_TRUE(module);
  ImportedModel model;
  model.config.family = findFamily("qwen3");
  model.config.name = "Tiny-1";
  model.config.hidden = 32;
  model.config.eosIds = {3, 5};
  const mlir::DictionaryAttr facts = modelFacts(*module, model, "int8");
  const auto text = [&](const char* key) { return facts.getAs<mlir::StringAttr>(key).str(); };
  EXPECT_EQ(text("scheme"), "i4 g32 asym + i8 g32 sym");
  EXPECT_EQ(facts.getAs<mlir::IntegerAttr>("parameters").getInt(), 32 * 32 + 96 * 32 + 32);
  EXPECT_EQ(text("name"), "Tiny-1");
  EXPECT_EQ(text("family"), "qwen3");
  EXPECT_EQ(text("activations"), "int8");
  EXPECT_EQ(facts.getAs<mlir::IntegerAttr>("hidden_size").getInt(), 32);
  EXPECT_EQ(facts.getAs<mlir::DenseI64ArrayAttr>("eos_ids").asArrayRef().vec(), (std::vector<int64_t>{3, 5}));
}

TEST_F(ModelFacts, ProductsAreWhatTheirInputsHaveBecome) {
  const std::string head = R"(
    llm.weight @w : !llm.weight<[32, 32], #llm.q<i8, 32, sym>> {sources = [#llm.source<"w", rows = 32>]}
    func.func @f(%x: tensor<?x32xf32, #llm.dims<[T, 32]>>) -> tensor<?x32xf32, #llm.dims<[T, 32]>> {
      %w = llm.use @w : !llm.weight<[32, 32], #llm.q<i8, 32, sym>>
  )";
  const std::string y = " -> tensor<?x32xf32, #llm.dims<[T, 32]>>\n return %y : tensor<?x32xf32, #llm.dims<[T, 32]>> }";
  const std::string w = "!llm.weight<[32, 32], #llm.q<i8, 32, sym>>)";
  auto floats = parse((head + "%y = llm.linear %x, %w : (tensor<?x32xf32, #llm.dims<[T, 32]>>, " + w + y).c_str());
  ASSERT_TRUE(floats);
  EXPECT_EQ(productInputs(*floats), "f32");
  auto integers = parse(
      (head + "%q = llm.quantize %x : (tensor<?x32xf32, #llm.dims<[T, 32]>>) -> !llm.qact<[T, 32], zero = 128>\n" +
       "%y = llm.linear %q, %w : (!llm.qact<[T, 32], zero = 128>, " + w + y)
          .c_str());
  ASSERT_TRUE(integers);
  EXPECT_EQ(productInputs(*integers), "int8");
}

}  // namespace
}  // namespace llmc
