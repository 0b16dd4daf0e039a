// Heads with their argmax, of all weight types at every level: against the logits that the same product stores without
// it.
#include "codegen/cpu/matmul/MatmulKernel.h"
#include "tests/unit/codegen/cpu/matmul/matmul_harness.h"
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"
#include <cmath>
#include <limits>

namespace llmc {
namespace {

constexpr int64_t kK = 96, kN = 300, kTile = 64, kTiles = 5; // the last tile has 44 columns, the last panel 12

struct Storage {
  const char *quant;
  Layout layout;
  ActKind act;
  int64_t zero; ///< of int8 activations
};

const Storage kStorages[] = {{"f32", Layout::F32N16, ActKind::F32, 0},
                             {"f16", Layout::F16N16, ActKind::F32, 0},
                             {"bf16", Layout::BF16N16K2, ActKind::F32, 0},
                             {"i8, 32, sym", Layout::Q8N16K4, ActKind::F32, 0},
                             {"i8, 32, sym", Layout::Q8N16K4, ActKind::Int8, 128},
                             {"i4, 32, sym", Layout::Q4N16K4Sym, ActKind::Int8, 8},
                             {"i4, 32, asym", Layout::Q4N16K4Asym, ActKind::Int8, 0}};

std::string weightType(const Storage &storage) {
  return "!llm.weight<[" + std::to_string(kN) + ", " + std::to_string(kK) + "], #llm.q<" + storage.quant + ">>";
}

std::string inputType(const Storage &storage) {
  if (storage.act == ActKind::F32)
    return act(kK, "S");
  return "!llm.qact<[S, " + std::to_string(kK) + "], zero = " + std::to_string(storage.zero) + ">";
}

const std::string kLogits = act(kN, "S"), kBest = act(2 * kTiles, "S");

/// scale(x * w^T + bias); `prologue`: x is what rows sampleRows of %a0 become behind a norm that does nothing to them.
std::string logitsText(const Storage &storage, bool prologue) {
  std::string x = "%a0", text;
  if (prologue) {
    text = "%x = llm.select_rows %a0, %a2 : (" + act(kK) + ", !llm.batch) -> " + act(kK, "S") + "\n";
    x = "%x";
  }
  return text + "%p = llm.linear " + x + ", %a1, %a3 : (" + inputType(storage) + ", " + weightType(storage) + ", " +
         param(kN) + ") -> " + kLogits + "\n%y = llm.scale %p {factor = 0.5} : " + kLogits + "\n";
}

std::string headText(const Storage &storage, bool prologue, bool argmax, int64_t tile = kTile) {
  std::vector<std::string> args = {prologue ? act(kK) : inputType(storage), weightType(storage), "!llm.batch",
                                   param(kN)};
  std::string body = logitsText(storage, prologue);
  if (!argmax)
    return functionText(args, {kLogits}, body + "kern.yield %y : " + kLogits + "\n", "linear");
  body += "%k = llm.keep_rows %y, %a2 : (" + kLogits + ", !llm.batch) -> " + kLogits +
          "\n%b = llm.argmax %y {tile = " + std::to_string(tile) + " : i64} : (" + kLogits + ") -> " + kBest +
          "\nkern.yield %k, %b : " + kLogits + ", " + kBest + "\n";
  return functionText(args, {kLogits, kBest}, body, "linear");
}

struct BuiltHead {
  BuiltHead(const std::string &text, const Level &level, int64_t mMax)
      : kernel(buildKernel(text, level, [&](mlir::ModuleOp module, EmitRequest request) {
          request.mMax = mMax;
          scratch = matmulScratchBytes(request.function, kPrologueRows);
          return emitMatmulKernel(module, request);
        })) {}

  int64_t scratch = 0;
  std::unique_ptr<MappedKernel> kernel;
};

/// What a bias makes of the logits, besides random numbers.
std::vector<float> biasWith(const std::vector<std::pair<int64_t, float>> &places) {
  std::vector<float> bias = randomValues(kN + 16, 7);
  for (auto [column, value] : places)
    bias[column] = value;
  return bias;
}

void checkTiles(Rows &best, Rows &logits, int64_t row) {
  auto value = [&](int64_t c) {
    float x = logits.at(row, c);
    return std::isfinite(x) ? x : std::numeric_limits<float>::infinity();
  };
  for (int64_t tile = 0; tile < kTiles; ++tile) {
    int64_t first = tile * kTile;
    for (int64_t c = first; c < std::min(kN, (tile + 1) * kTile); ++c)
      if (value(c) > value(first))
        first = c;
    ASSERT_EQ(best.at(row, tile), value(first)) << "row " << row << " tile " << tile;
    ASSERT_EQ(best.at(row, kTiles + tile), static_cast<float>(first)) << "row " << row << " tile " << tile;
  }
}

void run(const Storage &storage, int64_t mMax, int64_t rows, bool prologue, const std::vector<float> &bias,
         const BuiltHead &plain, const BuiltHead &head) {
  MatmulShape shape{kN, kK, storage.layout, storage.act, mMax, 1};
  TestWeight weight(shape, 3);
  TestActivations x(shape, prologue ? 2 * rows : rows, 4);
  Step step(prologue ? 2 * rows : rows);
  std::vector<int32_t> wanted(rows + 16);
  for (int64_t row = 0; row < rows; ++row)
    wanted[row] = row % 3 == 1;
  step.batch.rows = static_cast<int32_t>(rows);
  step.batch.logitsWanted = wanted.data();
  Rows all(rows, kN * 4);
  Buffer plainScratch(plain.scratch, 0xff);
  plain.kernel->run({x.bytes.data(), weight.packed.data(), &step.batch, bias.data(), all.base(), plainScratch.data()},
                    1);
  for (uint32_t workers : {1u, 3u}) {
    Rows kept(rows, kN * 4), best(rows, 2 * kTiles * 4), untouched(rows, kN * 4);
    Buffer scratch(head.scratch * workers, 0xff);
    head.kernel->run(
        {x.bytes.data(), weight.packed.data(), &step.batch, bias.data(), kept.base(), best.base(), scratch.data()},
        workers);
    for (int64_t row = 0; row < rows; ++row) {
      Rows &expected = wanted[row] ? all : untouched;
      ASSERT_EQ(std::memcmp(kept.row<char>(row), expected.row<char>(row), kN * 4), 0) << "row " << row;
      checkTiles(best, all, row);
    }
    ASSERT_TRUE(kept.paddingIntact() && best.paddingIntact());
  }
}

void check(const Storage &storage, const Level &level, int64_t mMax, int64_t rows, bool prologue,
           const std::vector<std::vector<float>> &biases) {
  BuiltHead plain(headText(storage, prologue, false), level, mMax);
  BuiltHead head(headText(storage, prologue, true), level, mMax);
  ASSERT_TRUE(plain.kernel && head.kernel);
  if (!canRun(level))
    return;
  for (const std::vector<float> &bias : biases)
    run(storage, mMax, rows, prologue, bias, plain, head);
}

TEST(HeadKernel, GivesTheLargestOfEachTileAndTheRowsThatAreAskedFor) {
  for (const Storage &storage : kStorages)
    for (const Level &level : instructionSets())
      for (auto [mMax, rows] : {std::pair<int64_t, int64_t>{1, 1}, {16, 13}, {64, 33}, {0, 150}}) {
        // All classes of one storage; of the others a single row and a row block.
        if (storage.layout != Layout::Q4N16K4Asym && mMax > 1)
          continue;
        SCOPED_TRACE(std::string(storage.quant) + ", " + level.name.str() + ", class " + std::to_string(mMax));
        check(storage, level, mMax, rows, false, {biasWith({})});
        if (::testing::Test::HasFatalFailure())
          return;
      }
}

TEST(HeadKernel, MakesItsRowsItself) {
  for (const Level &level : instructionSets())
    for (auto [mMax, rows] : {std::pair<int64_t, int64_t>{4, 4}, {0, 20}})
      check(kStorages[2], level, mMax, rows, true, {biasWith({})});
}

// A bias of 1e30 drowns the product: its logits tie, within a vector, over vectors, panels and tiles.
TEST(HeadKernel, TheFirstOfEqualLogitsWinsAndThoseThatAreNotFiniteAreSeen) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const size_t all = kN + 16;
  const std::vector<std::vector<float>> biases = {
      biasWith({{9, 1e30f}, {5, 1e30f}, {37, 1e30f}, {70, 1e30f}, {64, 1e30f}}),
      std::vector<float>(all, 1e30f),
      std::vector<float>(all, -1e30f),
      biasWith({{50, nan}, {60, inf}, {64, -inf}, {200, inf}, {299, nan}}),
      std::vector<float>(all, nan),
      std::vector<float>(all, -inf)};
  for (const Level &level : instructionSets())
    check(kStorages[2], level, 16, 9, false, biases);
}

TEST(HeadKernel, RefusesWhatItCannotDo) {
  const Storage &bf16 = kStorages[2];
  std::vector<std::string> inputs = {inputType(bf16), weightType(bf16), "!llm.batch", param(kN)};
  // Two results that are not logits and their argmax.
  std::string text =
      functionText(inputs, {kLogits, kLogits},
                   logitsText(bf16, false) + "kern.yield %y, %y : " + kLogits + ", " + kLogits + "\n", "linear");
  EXPECT_NE(emitError(text, cpuLevels()[0], emitMatmulKernel)
                .find("expected llm.keep_rows and llm.argmax of the same logits"),
            std::string::npos);
  // Tiles that end within a panel: 5 of 72 columns.
  EXPECT_NE(emitError(headText(bf16, false, true, 72), cpuLevels()[0], emitMatmulKernel)
                .find("tiles must be a multiple of 16 columns, found 72"),
            std::string::npos);
}

} // namespace
} // namespace llmc
