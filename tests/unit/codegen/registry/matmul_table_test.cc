// The table as data: every row counts, none says what another says, each names a measurement that is there, and what
// comes out of them is what is on record.
#include "codegen/registry/MatmulTable.h"

#include "codegen/registry/MatmulTuning.h"
#include "tests/unit/codegen/registry/basis.h"
#include <set>

namespace llmc {
namespace {

namespace fs = std::filesystem;

std::vector<MatmulShape> everyProduct() {
  std::vector<MatmulShape> shapes;
  for (Layout layout :
       {Layout::F32N16, Layout::F16N16, Layout::BF16N16K2, Layout::Q4N16K4Sym, Layout::Q4N16K4Asym, Layout::Q4KN16K4,
        Layout::Q5N16K4Sym, Layout::Q5N16K4Asym, Layout::Q5KN16K4, Layout::Q6KN16K4, Layout::Q8N16K4})
    for (int64_t mMax : kRowClasses)
      for (auto [n, k] : {std::pair<int64_t, int64_t>{960, 576}, {16, 520}, {64, kLongRow}})
        for (int64_t unitPanels : {1, 8})
          for (bool rounded : {false, true})
            for (ActKind act : {ActKind::F32, ActKind::Int8}) {
              if (act == ActKind::Int8 && !isQuantized(layout))
                continue;
              MatmulShape shape{n, k, layout, act, mMax, unitPanels};
              shape.bf16Products = rounded;
              shapes.push_back(shape);
            }
  return shapes;
}

/// Which rows apply first to some product; `of` gives the row of a level and a shape.
template <typename Row, typename Of> void expectEachRowIsReached(llvm::ArrayRef<Row> table, Of of) {
  std::set<const Row *> reached;
  for (const Level &level : cpuLevels())
    for (const MatmulShape &shape : everyProduct()) {
      const Row &row = of(level, shape);
      reached.insert(&row);
      EXPECT_TRUE(row.of.holds(level, shape)) << "no row for " << level.name.str() << ", " << layoutName(shape.layout)
                                              << ", " << shape.mMax << " rows: the last one has to take the rest";
    }
  for (const Row &row : table)
    EXPECT_TRUE(reached.count(&row)) << "row " << &row - table.begin() + 1 << " (" << row.basis.text
                                     << ") is never reached: those before it take all of its products";
}

template <typename Row> void expectNoTwoConditionsAreEqual(llvm::ArrayRef<Row> table) {
  for (size_t i = 0; i < table.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      EXPECT_FALSE(table[i].of == table[j].of) << "rows " << j + 1 << " and " << i + 1 << " have the same conditions";
}

TEST(MatmulTable, EveryProductHasARowAndEveryRowAProduct) {
  expectEachRowIsReached(tileTable(), tileOf);
  expectEachRowIsReached(fetchTable(), fetchOf);
  expectNoTwoConditionsAreEqual(tileTable());
  expectNoTwoConditionsAreEqual(fetchTable());
  std::set<const ShareRow *> shares;
  for (const MatmulShape &shape : everyProduct())
    shares.insert(&shareOf(shape));
  EXPECT_EQ(shares.size(), shareTable().size());
  std::set<const BlockRow *> blocks;
  for (const Level &level : cpuLevels())
    for (const MatmulShape &shape : everyProduct())
      blocks.insert(&blockOf(level, chooseMatmul(level, shape)));
  EXPECT_EQ(blocks.size(), blockTable().size());
}

TEST(MatmulTable, EveryRowNamesAMeasurementThatIsThere) {
  expectMeasured("tiles", tileTable());
  expectMeasured("fetches", fetchTable());
  expectMeasured("shares", shareTable());
  expectMeasured("blocks", blockTable());
  expectMeasured("shared numbers", sharedNumbers());
  for (const SharedNumber &number : sharedNumbers())
    EXPECT_TRUE(llvm::is_contained(matmulNumberNames(), number.name)) << number.name;
  EXPECT_NE(missing({kMatmulNotes, "Never measured"}), "");
  EXPECT_NE(missing({"tests/bench/results/none.md", "Results"}), "");
  EXPECT_NE(missing({"", ""}), "");
}

/// "wide 16x2 tail 8 loop 1 block 128* pass 0 ahead 11520 chunk 0 scales": a star where blocks follow each other.
std::string line(const MatmulConfig &config) {
  constexpr const char *kStyles[] = {"direct", "steps", "wide", "words", "float", "pairs"};
  auto number = [](const char *name, int64_t value) { return std::string(" ") + name + " " + std::to_string(value); };
  auto flag = [](const char *name, bool set) { return set ? std::string(" ") + name : std::string(); };
  return kStyles[static_cast<int>(config.style)] + number("", config.tileRows).substr(1) + "x" +
         std::to_string(config.tilePanels) + number("tail", config.tailRows) + number("loop", config.groupsPerIter) +
         number("block", config.rowBlock) + (config.anyRows ? "*" : "") + number("pass", config.groupBlock) +
         number("ahead", config.prefetchBytes) + number("chunk", config.chunkBytes) + flag("scales", config.rowScales) +
         flag("unpack", config.unpack) + flag("order", config.inOrder) + flag("x", config.prefetchX);
}

/// All levels and row classes of some products; levels with the same numbers share a line.
std::string outcomes() {
  struct Kind {
    Layout layout;
    ActKind act;
    bool rounded;
    const char *name;
  };
  constexpr ActKind kF = ActKind::F32, kI = ActKind::Int8;
  const Kind kinds[] = {
      {Layout::F32N16, kF, false, "f32 x f32"},           {Layout::F16N16, kF, false, "f16 x f32"},
      {Layout::BF16N16K2, kF, false, "bf16 x f32"},       {Layout::BF16N16K2, kF, true, "bf16 x bf16"},
      {Layout::Q4N16K4Asym, kF, false, "i4 mins x f32"},  {Layout::Q4N16K4Sym, kI, false, "i4 x int8"},
      {Layout::Q4N16K4Asym, kI, false, "i4 mins x int8"}, {Layout::Q4KN16K4, kI, false, "Q4_K x int8"},
      {Layout::Q5N16K4Sym, kI, false, "i5 x int8"},       {Layout::Q6KN16K4, kI, false, "Q6_K x int8"},
      {Layout::Q8N16K4, kI, false, "i8 x int8"}};
  std::string text = "# Levels by number, in the order of cpuLevels().\n";
  for (const Kind &kind : kinds)
    for (auto [n, k, units] : {std::tuple<int64_t, int64_t, int64_t>{960, 576, 1}, {4096, 14336, 1}, {49152, 576, 8}})
      for (int64_t mMax : kRowClasses) {
        if (units == 8 && kind.layout != Layout::Q8N16K4 && kind.layout != Layout::Q4N16K4Sym)
          continue; // of heads two are enough
        MatmulShape shape{n, k, kind.layout, kind.act, mMax, units};
        shape.bf16Products = kind.rounded;
        std::vector<std::pair<std::string, std::string>> lines;
        for (const Level &level : cpuLevels()) {
          const std::string config = line(chooseMatmul(level, shape));
          auto same = std::ranges::find(lines, config, &std::pair<std::string, std::string>::second);
          if (same == lines.end())
            same = lines.insert(lines.end(), {"", config});
          same->first += std::to_string(&level - cpuLevels().begin());
        }
        for (const auto &[levels, config] : lines)
          text += std::string(kind.name) + ", " + std::to_string(n) + "x" + std::to_string(k) +
                  (units > 1 ? " by " + std::to_string(units) : "") + ", " +
                  (mMax ? std::to_string(mMax) : std::string("any")) + ", " + levels + ": " + config + "\n";
      }
  return text;
}

TEST(MatmulTable, ChoosesWhatItChose) {
  const fs::path file = kRoot / "tests/unit/codegen/registry/matmul_configs.txt";
  std::ifstream golden(file);
  const std::string before{std::istreambuf_iterator<char>(golden), {}}, now = outcomes();
  if (before == now)
    return;
  // Kept, since it is there to be looked at; a folder of its own, since several trees may be tested at once.
  std::string folder = testing::TempDir() + "matmul-configs-XXXXXX";
  ASSERT_TRUE(mkdtemp(folder.data())) << folder;
  const fs::path written = fs::path(folder) / "matmul_configs.txt";
  std::ofstream(written) << now;
  ADD_FAILURE() << "products get other numbers than " << file.lexically_normal().string() << " says: compare it with "
                << written.string() << ", and copy that one over it if the change is meant";
}

} // namespace
} // namespace llmc
