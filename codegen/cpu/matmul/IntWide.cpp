// Integer tiles of many rows by two panels for 4 bits on 512-bit data paths: what is read of x serves both panels, f32
// sums live in memory, so that the codes of a group stay in registers for any number of rows.
#include "codegen/cpu/matmul/TileEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace llmc {

/// Integer sums of one row, [panel * 2 + columns 0-15 or 16-31]. The halves take turns: a product does not wait for the
/// one before it. `between` is called after half of the products.
TileEmitter::Values TileEmitter::wideRow(const Group &group, llvm::ArrayRef<Values> weights, int64_t row,
                                         llvm::function_ref<void()> between) {
  Values sums(2 * weights.size(), k_.constant(sumType(), 0));
  for (int64_t i = 0; i < 8; ++i) {
    const int64_t half = i % 2, step = i / 2 + 4 * half;
    Value x = activation(group.x, row, step * 4);
    for (auto [panel, codes] : llvm::enumerate(weights)) {
      Value &sum = sums[2 * panel + half];
      sum = dot(sum, codes[step], x);
    }
    if (i == 3)
      between();
  }
  return sums;
}

/// Adds one group to the f32 sums of the tile. A row's sums are scaled while the next row's are made.
void TileEmitter::wideGroup(const TilePlace &place, llvm::ArrayRef<Group> panels, llvm::ArrayRef<Loaded> loaded) {
  llvm::SmallVector<Values> weights;
  for (const Loaded &panel : loaded)
    weights.push_back(groupCodes(panel.lines[0], panel.upper[0]));
  Values before;
  auto scaleRow = [&](int64_t row) {
    const RowFactors factors = rowFactors(panels[0], row);
    for (int64_t panel = 0; panel < config_.tilePanels; ++panel) {
      const int64_t at = totalAt(panel * config_.tileRows + row);
      Value total = k_.load(floats(), place.sums, Value(), at, 64);
      total = scaleByRow(factors, before[2 * panel], before[2 * panel + 1], loaded[panel].scales.first[0], total);
      k_.store(total, place.sums, Value(), at, 64);
    }
  };
  for (int64_t row = 0; row < config_.tileRows; ++row)
    before = wideRow(panels[0], weights, row, [&] {
      if (row > 0)
        scaleRow(row - 1);
    });
  scaleRow(config_.tileRows - 1);
}

/// What the sums start from: those of the mins, in tiles whose sums fit the registers. They fill the tile and nothing
/// behind it, where another row's sums or the scales lie.
void TileEmitter::wideStart(const TilePlace &place) {
  MatmulConfig part = config_;
  part.tileRows = std::min<int64_t>(config_.tileRows, 8);
  while (config_.tileRows % part.tileRows != 0)
    --part.tileRows;
  part.tilePanels = 1;
  TileEmitter tile(k_, shape_, part, sumsStride_);
  const int64_t scales = RowScalesLayout(shape_).stride;
  for (int64_t panel = 0; panel < config_.tilePanels; ++panel)
    k_.forEach(k_.c(0), k_.c(config_.tileRows), part.tileRows, [&](Value row) {
      TilePlace at = place;
      if (shape_.asymmetric())
        at.mins = k_.address(place.mins, Value(), panel * minSumBytes(shape_));
      at.rowScales = k_.address(place.rowScales, k_.mul(row, scales));
      Value sums = k_.address(place.sums, k_.mul(row, sumsStride_), panel * kPanelRows * 4);
      for (auto [i, start] : llvm::enumerate(tile.loadTotals(at)))
        k_.store(start, sums, Value(), static_cast<int64_t>(i) * sumsStride_, 64);
    });
}

void TileEmitter::emitWide(const TilePlace &place) {
  std::vector<TilePlace> panels = panelsOf(place);
  k_.ifThen(k_.equal(place.groupBegin, k_.c(0)), [&] { wideStart(place); });
  k_.forEach(place.groupBegin, place.groupEnd, 1, [&](Value g) {
    llvm::SmallVector<Group> groups;
    std::vector<Loaded> loaded;
    if (place.ahead)
      prefetchShare(place, g);
    for (const TilePlace &panel : panels) {
      groups.push_back(groupAt(panel, g));
      if (!place.ahead)
        prefetchGroup(groups.back());
      loaded.push_back(loadGroups(groups.back()).front());
    }
    // Sums are read anew for each group: carried from one to the next they would be spilled besides.
    Value &scales = loaded[0].scales.first[0];
    scales = k_.inOrder(scales);
    wideGroup(place, groups, loaded);
  });
  k_.ifThen(k_.equal(place.groupEnd, k_.c(shape_.groups())), [&] {
    const RowScalesLayout layout(shape_);
    k_.forEach(k_.c(0), k_.c(config_.tileRows), 1, [&](Value row) {
      Value unit = k_.loadSplat(k_.f32(), lanes_, place.rowScales, k_.mul(row, layout.stride), layout.unit);
      Value sums = k_.address(place.sums, k_.mul(row, sumsStride_));
      for (int64_t panel = 0; panel < config_.tilePanels; ++panel) {
        Value total = k_.load(floats(), sums, Value(), panel * kPanelRows * 4, 64);
        k_.store(k_.mulF(total, unit), sums, Value(), panel * kPanelRows * 4, 64);
      }
    });
  });
}

} // namespace llmc
