// The Direct loop nest: a group's or a superblock's weights in registers for a few rows, f32 sums in registers.
#include "codegen/cpu/matmul/TileEmitter.h"

#include "codegen/cpu/matmul/GroupScales.h"

using namespace mlir;

namespace llmc {

void TileEmitter::prefetchGroup(const Group &group) {
  for (int64_t line = 0; line < codeLines(shape_.layout); ++line)
    prefetchLine(group, line);
  prefetchBehind(group);
}

/// Line `line` of a group's codes, prefetchBytes on.
void TileEmitter::prefetchLine(const Group &group, int64_t line) {
  if (config_.prefetchBytes)
    k_.prefetch(group.lines, Value(), config_.prefetchBytes + group.linesDisp + line * kLineBytes);
}

/// What lies behind the codes: a superblock's scales follow its second half, which fetches them.
void TileEmitter::prefetchBehind(const Group &group) {
  if (!config_.prefetchBytes)
    return;
  for (int64_t line = 0; line < upperLines(shape_.layout); ++line)
    k_.prefetch(group.upper, Value(), config_.prefetchBytes + group.upperDisp + line * kLineBytes);
  for (int64_t at = scalesOffset(shape_.layout); at < superblockBytes(shape_.layout); at += kLineBytes)
    k_.prefetch(group.scales, Value(), config_.prefetchBytes + group.scalesDisp + at - scalesOffset(shape_.layout));
}

/// Beside each group one or two lines: with all lines in the first tile, and again in every other one, the places for
/// what misses L1 are full while that tile's rows of x wait for them.
void TileEmitter::prefetchShare(const TilePlace &place, Value g) {
  // The fewest rows: 17 in the class of 64, 5 in that of 16; blocks of the class of any have 33 at least.
  int64_t rows = shape_.mMax == 0 ? 33 : shape_.mMax / 4 + 1;
  int64_t slots = (rows + config_.tileRows - 1) / config_.tileRows * shape_.groups();
  Value at = k_.address(place.ahead, k_.mul(g, place.aheadStep));
  for (int64_t byte = 0; byte * slots < config_.prefetchBytes; byte += kLineBytes)
    k_.prefetch(at, Value(), byte);
  if (!place.cache)
    return;
  // Four tiles of eight rows: with three of them some lines are left out.
  slots = 4 * shape_.groups();
  at = k_.address(place.cache, k_.mul(g, place.cacheStep));
  for (int64_t byte = 0; byte * slots < place.cacheBytes; byte += kLineBytes)
    k_.prefetch(at, Value(), byte, kIntoL2);
}

/// Groups of one superblock. Their lines are read in the order of addresses.
std::vector<TileEmitter::Loaded> TileEmitter::loadGroups(llvm::ArrayRef<Group> groups) {
  std::vector<Loaded> loaded(groups.size());
  for (auto [group, into] : llvm::zip(groups, loaded))
    for (int64_t h = 0; h < halves_; ++h)
      into.lines.push_back(codeLinesOf(group, h));
  for (auto [group, into] : llvm::zip(groups, loaded))
    for (int64_t h = 0; h < halves_; ++h)
      into.upper.push_back(upperBits(group, h));
  for (auto [group, into] : llvm::zip(groups, loaded))
    into.scales = scalesOf(group);
  return loaded;
}

/// One group of each panel of the tile: what is read of x serves all of them.
void TileEmitter::directGroup(llvm::ArrayRef<Group> panels, llvm::ArrayRef<Loaded> loaded, Values &totals) {
  const int64_t parts = std::ssize(panels) * halves_; // [panel * halves + half]
  llvm::SmallVector<Values> weights;
  for (const Loaded &panel : loaded)
    for (int64_t h = 0; h < halves_; ++h)
      weights.push_back(groupCodes(panel.lines[h], panel.upper[h]));
  for (int64_t row = 0; row < config_.tileRows; ++row) {
    Values sums[2]; // columns 0-15 and 16-31 have their own activation scale
    for (Values &half : sums)
      half.assign(parts, k_.constant(sumType(), 0));
    for (int64_t step = 0; step < 8; ++step) {
      Value x = activation(panels[0].x, row, panels[0].xDisp + step * 4);
      for (int64_t part = 0; part < parts; ++part) {
        Value &sum = sums[step / 4][part];
        sum = dot(sum, weights[part][step], x);
      }
    }
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t panel = part / halves_, h = part % halves_;
      Value &total = totals[(panel * config_.tileRows + row) * halves_ + h];
      total = scaleGroup(panels[panel], row, sums[0][part], sums[1][part], loaded[panel].scales, h, total);
      // LLVM's scheduler would start all rows side by side: more sums than registers.
      if (config_.tilePanels > 1)
        total = k_.inOrder(total);
    }
  }
}

/// The tile's panels, each as a place of its own.
std::vector<TilePlace> TileEmitter::panelsOf(const TilePlace &place) {
  std::vector<TilePlace> panels{place};
  for (int64_t panel = 1; panel < config_.tilePanels; ++panel) {
    TilePlace next = panels.back();
    next.weights = k_.address(next.weights, place.nextPanel);
    next.header = k_.address(next.header, place.nextPanel);
    panels.push_back(next);
  }
  return panels;
}

/// Group g of all panels of the tile.
void TileEmitter::directPanels(const TilePlace &place, llvm::ArrayRef<TilePlace> panels, Value g, Values &totals) {
  llvm::SmallVector<Group> groups;
  std::vector<Loaded> loaded;
  for (const TilePlace &panel : panels)
    groups.push_back(groupAt(panel, g));
  if (place.ahead)
    prefetchShare(place, g);
  for (const Group &group : groups) {
    if (!place.ahead)
      prefetchGroup(group);
    loaded.push_back(loadGroups(group).front());
  }
  directGroup(groups, loaded, totals);
}

/// Groups g and g + 1, a superblock.
void TileEmitter::directSuperblock(const TilePlace &place, Value g, const Values &factors, Values &totals) {
  Group first = groupAt(place, g);
  Layout layout = shape_.layout;
  first.factors = factors;
  first.lines = first.upper = first.scales = k_.address(place.weights, k_.mul(k_.divUI(g, 2), superblockBytes(layout)));
  Group second = first;
  second.linesDisp = codeLines(layout) * kLineBytes;
  second.upperDisp = upperOffset(layout, 1);
  second.scalesDisp += halfScaleBytes();
  second.xDisp = kQuantGroup;
  second.indexDisp = 4;
  for (int64_t row = 0; config_.prefetchX && row < config_.tileRows; ++row)
    k_.prefetch(first.x, Value(), row * xStride_ + 2 * kSuperblockCols);
  if (lineByLine()) {
    lineGroup(first, totals);
    lineGroup(second, totals);
    return;
  }
  prefetchGroup(first);
  prefetchGroup(second);
  std::vector<Loaded> loaded = loadGroups({first, second});
  directGroup(first, loaded[0], totals);
  directGroup(second, loaded[1], totals);
}

/// 16 registers do not hold a superblock. With 32 it is done where lines are fetched ahead: all fetches of a superblock
/// at once, in front of its loads, gain nothing.
bool TileEmitter::lineByLine() const { return halves_ == 2 || (config_.tileRows == 1 && config_.prefetchBytes != 0); }

/// All superblocks of a pass; where scales are bytes, the factors of 256 columns are converted once for all of them.
TileEmitter::Values TileEmitter::directBlocks(const TilePlace &place, Values totals) {
  auto superblocks = [&](Value begin, Value end, const Values &factors, ValueRange carried) {
    return k_.forLoop(begin, end, 2, carried, [&](Value g, ValueRange inner) {
      Values next(inner);
      directSuperblock(place, g, factors, next);
      return next;
    });
  };
  if (!shape_.format().byteScales)
    return superblocks(place.groupBegin, place.groupEnd, {}, totals);
  constexpr int64_t kBlockGroups = kScaleBlock / kQuantGroup;
  return k_.forLoop(place.groupBegin, place.groupEnd, kBlockGroups, totals, [&](Value g, ValueRange carried) {
    Value header = headerOf(place, g);
    Values factors;
    for (int64_t at = 0; at < headerBlockBytes(shape_.layout); at += lanes_ * 2)
      factors.push_back(loadHalfs(k_, header, at, 0, lanes_));
    return superblocks(g, k_.minSI(k_.add(g, kBlockGroups), place.groupEnd), factors, carried);
  });
}

void TileEmitter::emitDirect(const TilePlace &place) {
  Values totals = loadTotals(place);
  if (config_.groupsPerIter == 2)
    return storeTotals(place, directBlocks(place, totals));
  std::vector<TilePlace> panels = panelsOf(place);
  totals = k_.forLoop(place.groupBegin, place.groupEnd, 1, totals, [&](Value g, ValueRange carried) {
    Values next(carried);
    directPanels(place, panels, g, next);
    return next;
  });
  storeTotals(place, totals);
}

} // namespace llmc
