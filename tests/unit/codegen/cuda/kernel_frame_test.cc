// Names and types of argument words, the number of rows, grids.
#include "codegen/cuda/KernelFrame.h"

#include "tests/unit/codegen/cuda/module_text.h"
#include "tests/unit/codegen/cuda/row_text.h"
#include <gtest/gtest.h>

namespace llmc {
namespace {

TEST(KernelFrameTest, WordsAreNamedByKind) {
  ModuleText text(kernelText("!x = " + rowsOf(8) + "\n!s = " + rowsOf(8, "bf16", "S") + "\n!w = " + vectorOf(8) +
                                 "\n!kv = !llm.kv<layers = 1, heads = 1, dim = 16, page = 16>",
                             "%x: !x, %w: !w, %kv: !kv, %b: !llm.batch, %s: !s", "!s", "  kern.yield %s : !s"));
  ASSERT_TRUE(text.module()) << text.diagnostics();
  SourceWriter writer;
  KernelFrame frame(writer, CudaRequest{text.first(), "name", *findArch("sm_80"), 16}, 64, 3);
  EXPECT_EQ(frame.arguments().vec(), (std::vector<std::string>{"x0", "w1", "kv2", "batch3", "x4"}));
  EXPECT_EQ(frame.results().vec(), std::vector<std::string>{"out0"});
  auto rows = frame.rowCount();
  ASSERT_TRUE(succeeded(rows));
  EXPECT_EQ(*rows, "batch3->rows");
  const KernelText made = frame.finish();
  EXPECT_EQ(made.symbol, "name");
  EXPECT_EQ(made.text, writer.text());
  EXPECT_EQ(made.threads, 64);
  EXPECT_EQ(made.words, 6);
  EXPECT_NE(writer.text().find("__launch_bounds__(64, 3) name(const __grid_constant__ Args args) {"),
            std::string::npos);
  EXPECT_NE(writer.text().find("at most 16 rows"), std::string::npos);
  EXPECT_NE(writer.text().find("const Batch *const batch3 = reinterpret_cast<const Batch *>(args.word[3]);"),
            std::string::npos);
  EXPECT_NE(writer.text().find(" u8 *const kv2 = reinterpret_cast<u8 *>(args.word[2]);"), std::string::npos);
  EXPECT_EQ(writer.text().substr(writer.text().size() - 2), "}\n");
}

TEST(KernelFrameTest, GridsCountRows) {
  EXPECT_EQ(GridDim::rows(llm::Dim::T(), 16, 3), (GridDim{0, 16, 3}));
  EXPECT_EQ(GridDim::rows(llm::Dim::S(), 1), (GridDim{0, 0, 0, 1, 1}));
  EXPECT_EQ(GridDim::rows(llm::Dim::fixed(33), 16, 2), (GridDim{6}));
  EXPECT_EQ(GridDim::sequences(4), (GridDim{0, 0, 0, 0, 0, 4}));
}

} // namespace
} // namespace llmc
