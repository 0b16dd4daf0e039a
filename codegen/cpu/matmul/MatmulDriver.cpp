// Row blocks stay in L2 while a worker's units pass; a unit's panels are unpacked once for each row block. An item of
// work is a unit of the epilogue and a row block; where a tile has more panels than a unit, as many units as it covers.
#include "codegen/cpu/matmul/MatmulDriver.h"

#include "codegen/cpu/matmul/RowScales.h"
#include "codegen/cpu/matmul/TileEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "runtime/format/kernel_abi.h"
#include <optional>

using namespace mlir;

namespace llmc {
namespace {

/// Items of many rows a worker from which on the last ones are dealt, and from which on they are dealt whole: below,
/// by half of their rows, so that who takes the last one keeps the others waiting for less. Each half unpacks the
/// weights once more.
constexpr int64_t kItemsToDeal = 3, kItemsToDealWhole = 16;

class Driver {
public:
  Driver(KernelBuilder &k, const MatmulShape &shape, const MatmulConfig &config, const MatmulWords &words,
         const MatmulDealing &dealing)
      : k_(k), shape_(shape), config_(config), words_(words), dealing_(dealing), itemUnits_(config.itemUnits(shape)),
        sumsStride_(itemPanels() * kPanelRows * 4), tailConfig_(tailConfig(config)),
        tile_(k, shape, config, sumsStride_), tail_(k, shape, tailConfig_, sumsStride_) {}

  void emit(int64_t together, const MatmulRowsEpilogue &epilogue) {
    together_ = together;
    // Items go row block by row block: a worker stays on rows that its L2 holds, and few units still spread.
    const int64_t unitItems = (shape_.units() + itemUnits_ - 1) / itemUnits_;
    Value items = k_.c(unitItems), block = k_.c(config_.rowBlock), parts = k_.c(1);
    if (config_.anyRows) {
      // Blocks of one size: with a short last one, the worker that gets it would wait for the others.
      Value blocks = k_.ceilDiv(words_.rows, config_.rowBlock), divisor = k_.maxSI(blocks, k_.c(1));
      Value tiles = k_.ceilDiv(k_.divUI(k_.add(words_.rows, k_.add(divisor, -1)), divisor), config_.tileRows);
      block = k_.mul(tiles, config_.tileRows);
      items = k_.mul(blocks, unitItems);
      parts = tiles;
    } else if (splitsItems()) {
      parts = k_.ceilDiv(words_.rows, config_.tileRows);
    }
    // A worker's share starts and ends with any tile of rows: 15 heads are no multiple of 4 workers.
    parts = splitsItems() ? k_.maxSI(parts, k_.c(1)) : k_.c(1);
    Value count = k_.mul(items, parts);
    auto emitShare = [&](Value begin, Value end, ValueRange prepared) {
      if (!splitsItems())
        return emitItems(begin, end, prepared, unitItems, block, {}, epilogue);
      return emitItems(k_.divUI(begin, parts), k_.divUI(k_.add(end, k_.add(parts, -1)), parts), prepared, unitItems,
                       block, Share{begin, end, parts}, epilogue);
    };
    if (!config_.chunkBytes) {
      auto [begin, end] = k_.workerRange(count);
      emitShare(begin, end, {k_.c(-1)});
      return;
    }
    Value chunk = k_.mul(parts, config_.chunkItems(shape_));
    if (splitsItems()) {
      k_.shareOutOnlyIf(k_.less(k_.mul(k_.workers(), kItemsToDeal), items));
      Value whole = k_.less(k_.mul(k_.workers(), kItemsToDealWhole), items);
      chunk = k_.ifElse(
          whole, {k_.i64()}, [&] { return KernelBuilder::Values{chunk}; },
          [&] { return KernelBuilder::Values{k_.ceilDiv(chunk, 2)}; })[0];
    }
    k_.shareOut(count, chunk, {k_.c(-1)}, emitShare);
  }

private:
  /// Tiles of rows [begin, end) of all items, each of which has `parts`.
  struct Share {
    Value begin, end, parts;
  };

  /// Few rows make one tile of an item.
  bool splitsItems() const { return shape_.manyRows(); }

  /// `carried`: the row block whose scales are prepared, and what is returned.
  KernelBuilder::Values emitItems(Value begin, Value end, ValueRange carried, int64_t unitItems, Value block,
                                  std::optional<Share> share, const MatmulRowsEpilogue &epilogue) {
    return k_.forLoop(begin, end, 1, carried, [&](Value item, ValueRange prepared) {
      Value unit = item, index = k_.c(0), first = k_.c(0), rows = words_.rows;
      if (config_.anyRows) {
        unit = k_.remUI(item, unitItems);
        index = k_.divUI(item, unitItems);
        first = k_.mul(index, block);
        rows = k_.minSI(k_.sub(words_.rows, first), block);
      }
      if (deals()) {
        nextUnit_ = dealing_.unit(k_.minSI(k_.add(unit, 1), k_.c(unitItems - 1)));
        unit = dealing_.unit(unit);
      }
      if (config_.rowScales || copiesRows())
        k_.ifElse(
            k_.equal(index, prepared[0]), {}, [] { return KernelBuilder::Values(); },
            [&] {
              prepareRows(k_.address(words_.x, k_.mul(first, shape_.xStride())), rows);
              return KernelBuilder::Values();
            });
      Value skipped = k_.c(0);
      if (share) {
        Value before = k_.mul(item, share->parts);
        skipped = k_.mul(k_.maxSI(k_.sub(share->begin, before), k_.c(0)), config_.tileRows);
        Value last = k_.mul(k_.minSI(k_.sub(share->end, before), share->parts), config_.tileRows);
        first = k_.add(first, skipped);
        rows = k_.maxSI(k_.sub(k_.minSI(last, rows), skipped), k_.c(0));
      }
      if (config_.sharesPrefetch(shape_)) {
        Value slots = k_.mul(k_.maxSI(k_.ceilDiv(rows, config_.tileRows), k_.c(1)), shape_.groups());
        // Opaque to LLVM, which would divide anew for each group.
        aheadStep_ = k_.inOrder(k_.divUI(k_.add(slots, config_.prefetchBytes - 1), slots));
        if (fetchesCache()) {
          cacheStep_ = k_.inOrder(k_.divUI(k_.add(slots, dealing_.ahead.layerBytes - 1), slots));
          itemsBefore_ = k_.sub(item, begin);
        }
      }
      emitUnits(unit, first, rows, skipped);
      emitEpilogues(unit, first, rows, epilogue);
      return KernelBuilder::Values{index};
    });
  }

  /// Whether tiles read rows that are made of a row block's rows before its units.
  bool copiesRows() const { return config_.style == TileStyle::Pairs || config_.style == TileStyle::Words; }

  /// In scratch: sums, the unpacked panel, scales of rows and the panel's mins, copied rows.
  Value unpackedPanel() { return k_.address(words_.scratch, Value(), matmulSumsBytes(shape_, config_)); }
  Value preparedScales() { return k_.address(unpackedPanel(), Value(), matmulUnpackBytes(shape_, config_)); }
  Value copiedRows() { return k_.address(preparedScales(), Value(), matmulRowScalesBytes(shape_, config_)); }

  void prepareRows(Value x, Value rows) {
    const int64_t stride = config_.rowStride(shape_);
    if (config_.rowScales)
      emitRowScales(k_, shape_, config_.style == TileStyle::Words, x, rows, preparedScales());
    if (config_.style == TileStyle::Pairs)
      emitRoundedRows(k_, shape_, x, rows, copiedRows(), stride);
    if (config_.style == TileStyle::Words)
      emitWordRows(k_, shape_, x, rows, preparedScales(), copiedRows(), stride);
  }

  /// With few rows the panels' order is the better one: they wait for weights, whose stream must not jump.
  bool deals() const { return dealing_.unit && itemUnits_ == 1 && splitsItems(); }

  /// With more rows a load more a group costs more than attention, a small part there, can gain.
  bool fetchesCache() const { return dealing_.ahead.cache && shape_.mMax > 16; }

  /// Where tiles fetch a page of the cache, and the bytes of it beside a group.
  struct CachePage {
    Value at, step;
  };

  /// What the tiles of panel `place` of the item fetch of the cache: of the pages of the worker's share of the
  /// sequences the one whose number is that of the panel, counted from the first product that fetches. Behind the last
  /// one a line that L1 has: fetching it is as good as nothing.
  CachePage cachePage(Value place) {
    const MatmulAhead &ahead = dealing_.ahead;
    Value sequences = k_.batchInt(ahead.batch, offsetof(rt::Batch, sequences));
    Value lengths = k_.batchPtr(ahead.batch, offsetof(rt::Batch, contextLens));
    auto pagesOf = [&](Value sequence) { return k_.ceilDiv(k_.loadIndex(lengths, sequence), rt::kPageTokens); };
    Value number =
        k_.add(k_.add(k_.divUI(k_.c(ahead.panelsBefore), k_.workers()), k_.mul(itemsBefore_, itemPanels())), place);
    auto [begin, end] = k_.workerRange(sequences);
    // Carried: a sequence, and the page as counted from its first one.
    auto found = k_.forLoop(begin, end, 1, {begin, number}, [&](Value sequence, ValueRange carried) {
      Value pages = pagesOf(sequence);
      Value behind =
          arith::AndIOp::create(k_.b(), k_.equal(sequence, carried[0]), k_.less(k_.add(pages, -1), carried[1]));
      auto choose = [&](Value yes, Value no) -> Value { return arith::SelectOp::create(k_.b(), behind, yes, no); };
      return KernelBuilder::Values{choose(k_.add(sequence, 1), carried[0]),
                                   choose(k_.sub(carried[1], pages), carried[1])};
    });
    auto address = k_.ifElse(
        k_.less(found[0], end), {k_.ptr(), k_.i64()},
        [&] {
          Value stride = k_.batchInt(ahead.batch, offsetof(rt::Batch, blockStride));
          Value entry = k_.add(k_.mul(found[0], stride), found[1]);
          Value page = k_.loadIndex(k_.batchPtr(ahead.batch, offsetof(rt::Batch, blockTable)), entry);
          return KernelBuilder::Values{k_.address(ahead.cache, k_.mul(page, ahead.pageBytes)), cacheStep_};
        },
        [&] { return KernelBuilder::Values{words_.scratch, k_.c(0)}; });
    return {address[0], address[1]};
  }

  int64_t itemPanels() const { return itemUnits_ * shape_.unitPanels; }

  /// `skipped`: rows of the block before `first`, prepared as well.
  void emitUnits(Value item, Value first, Value rows, Value skipped) {
    if (tile_.accumulates())
      clearSums(rows);
    if (itemPanels() == config_.tilePanels)
      return emitPanel(k_.mul(item, itemPanels()), k_.c(0), first, rows, skipped);
    // The last unit may have fewer panels than the others; the sums of those it lacks are not used.
    Value begin = k_.mul(item, itemPanels());
    Value count = k_.minSI(k_.sub(k_.c(shape_.panels()), begin), k_.c(itemPanels()));
    k_.forEach(k_.c(0), count, config_.tilePanels,
               [&](Value p) { emitPanel(k_.add(begin, p), p, first, rows, skipped); });
  }

  void emitEpilogues(Value item, Value first, Value rows, const MatmulRowsEpilogue &epilogue) {
    auto each = [&](const MatmulRowsEpilogue &take, Value unit, Value sums) {
      k_.forEach(k_.c(0), rows, together_, [&](Value row) {
        llvm::SmallVector<OutputRow> outputs;
        for (int64_t i = 0; i < together_; ++i) {
          Value at = i == 0 ? row : k_.minSI(k_.add(row, i), k_.add(rows, -1));
          outputs.push_back({k_.add(first, at), k_.address(sums, k_.mul(at, sumsStride_))});
        }
        take(outputs, unit);
      });
    };
    auto all = [&](Value unit, Value sums) {
      if (dealing_.before)
        each(dealing_.before, unit, sums);
      each(epilogue, unit, sums);
    };
    if (itemUnits_ == 1)
      return all(item, words_.scratch);
    Value begin = k_.mul(item, itemUnits_);
    Value count = k_.minSI(k_.sub(k_.c(shape_.units()), begin), k_.c(itemUnits_));
    k_.forEach(k_.c(0), count, 1, [&](Value u) {
      all(k_.add(begin, u), k_.address(words_.scratch, k_.mul(u, shape_.unitPanels * kPanelRows * 4)));
    });
  }

  void clearSums(Value rows) {
    Value zero = k_.constant(k_.vec(16, k_.f32()), 0.0);
    Value padded = k_.mul(k_.ceilDiv(rows, config_.tileRows), config_.tileRows * sumsStride_);
    k_.forEach(k_.c(0), padded, 64, [&](Value at) { k_.store(zero, words_.scratch, at, 0, 64); });
  }

  /// The panel and those that its tiles compute beside it.
  void emitPanel(Value panel, Value place, Value first, Value rows, Value skipped) {
    TilePlace at;
    if (config_.tilePanels == 2) // the last of an odd number stands for its neighbour, too
      at.nextPanel = shape_.panels() % 2 == 0 ? k_.c(panelBytes(shape_.layout, shape_.k))
                                              : k_.mul(k_.minSI(k_.sub(k_.c(shape_.panels() - 1), panel), k_.c(1)),
                                                       panelBytes(shape_.layout, shape_.k));
    at.header = k_.address(words_.weights, k_.mul(panel, panelBytes(shape_.layout, shape_.k)));
    at.weights = k_.address(at.header, Value(), headerBytes(shape_.layout, shape_.k));
    if (config_.inOrder)
      k_.forEach(k_.c(0), k_.c(headerBytes(shape_.layout, shape_.k)), kLineBytes,
                 [&](Value line) { k_.touch(at.header, line); });
    if (config_.unpack)
      at.unpacked = unpackedPanel();
    if (config_.rowScales)
      at.rowScales = k_.address(preparedScales(), k_.mul(skipped, RowScalesLayout(shape_).stride));
    if (config_.preparesMins(shape_)) {
      at.mins = k_.address(preparedScales(), Value(), config_.rowBlock * RowScalesLayout(shape_).stride);
      emitMinSumWeights(k_, shape_, at.header, at.mins);
      if (config_.tilePanels == 2)
        emitMinSumWeights(k_, shape_, k_.address(at.header, at.nextPanel),
                          k_.address(at.mins, Value(), minSumBytes(shape_)));
    }
    if (aheadStep_)
      nextPanel_ = nextPanel(panel, place, at.header);
    CachePage page = fetchesCache() && aheadStep_ ? cachePage(place) : CachePage();
    Value sums = k_.address(words_.scratch, k_.mul(place, kPanelRows * 4));
    Value x = copiesRows() ? k_.address(copiedRows(), k_.mul(skipped, config_.rowStride(shape_)))
                           : k_.address(words_.x, k_.mul(first, shape_.xStride()));
    at.x = x;
    int64_t groups = shape_.groups(), block = config_.groupBlock ? config_.groupBlock : groups;
    auto pass = [&](Value begin, Value end) {
      at.groupBegin = begin;
      at.groupEnd = end;
      if (config_.unpack)
        tile_.emitUnpack(at);
      emitTiles(at, sums, x, rows, page);
    };
    if (block >= groups)
      return pass(k_.c(0), k_.c(groups));
    k_.forEach(k_.c(0), k_.c(groups), block, [&](Value g) { pass(g, k_.minSI(k_.add(g, block), k_.c(groups))); });
  }

  /// The panel that this worker comes to after panel `panel`, number `place` of its unit.
  Value nextPanel(Value panel, Value place, Value header) {
    Value next = k_.address(header, Value(), config_.prefetchBytes);
    if (!deals())
      return next;
    Value first = k_.address(words_.weights, k_.mul(nextUnit_, itemPanels() * panelBytes(shape_.layout, shape_.k)));
    return arith::SelectOp::create(k_.b(), k_.less(place, k_.c(itemPanels() - config_.tilePanels)), next, first);
  }

  void emitTiles(TilePlace at, Value sums, Value x, Value rows, const CachePage &page) {
    Value scales = at.rowScales;
    at.sums = sums;
    at.x = x;
    if (config_.rowBlock == config_.tileRows)
      return emitTile(at, rows);
    k_.forEach(k_.c(0), rows, config_.tileRows, [&](Value row) {
      at.sums = k_.address(sums, k_.mul(row, sumsStride_));
      at.x = k_.address(x, k_.mul(row, config_.rowStride(shape_)));
      if (aheadStep_) {
        Value earlier =
            k_.mul(k_.divUI(row, config_.tileRows), shape_.groups()); // groups that other tiles fetch beside
        at.ahead = k_.address(nextPanel_, k_.mul(earlier, aheadStep_));
        at.aheadStep = aheadStep_;
        if (page.at) {
          at.cache = k_.address(page.at, k_.mul(earlier, page.step));
          at.cacheStep = page.step;
          at.cacheBytes = dealing_.ahead.layerBytes;
        }
      }
      if (config_.rowScales)
        at.rowScales = k_.address(scales, k_.mul(row, RowScalesLayout(shape_).stride));
      emitTile(at, k_.sub(rows, row));
    });
  }

  /// A tile of which `left` rows count: a short one when they fit.
  void emitTile(const TilePlace &at, Value left) {
    if (!config_.tailRows)
      return tile_.emit(at);
    auto emitted = [&](TileEmitter &tile) {
      tile.emit(at);
      return KernelBuilder::Values();
    };
    k_.ifElse(
        k_.less(k_.c(config_.tailRows), left), TypeRange(), [&] { return emitted(tile_); },
        [&] { return emitted(tail_); });
  }

  static MatmulConfig tailConfig(MatmulConfig config) {
    config.tileRows = config.tailRows;
    return config;
  }

  KernelBuilder &k_;
  const MatmulShape &shape_;
  const MatmulConfig &config_;
  const MatmulWords &words_;
  const MatmulDealing &dealing_;
  int64_t itemUnits_, sumsStride_;
  MatmulConfig tailConfig_;
  TileEmitter tile_, tail_;
  int64_t together_ = 1; ///< rows that the epilogue takes
  Value nextUnit_;       ///< deals: the unit after the one whose panels are emitted
  Value nextPanel_;      ///< sharesPrefetch: the panel that tiles fetch
  Value aheadStep_;      ///< sharesPrefetch: bytes of the next panel that a tile fetches beside a group
  Value itemsBefore_;    ///< fetchesCache: items of this worker before this one
  Value cacheStep_;      ///< bytes of a page's layer that a tile fetches beside a group
};

} // namespace

void emitMatmul(KernelBuilder &k, const MatmulShape &shape, const MatmulWords &words, int64_t together,
                const MatmulRowsEpilogue &epilogue, const MatmulDealing &dealing) {
  MatmulConfig config = chooseMatmul(k.level(), shape);
  Driver(k, shape, config, words, dealing).emit(together, epilogue);
}

void emitMatmul(KernelBuilder &k, const MatmulShape &shape, const MatmulWords &words, const MatmulEpilogue &epilogue) {
  emitMatmul(k, shape, words, 1,
             [&](llvm::ArrayRef<OutputRow> rows, Value unit) { epilogue(rows.front().row, unit, rows.front().sums); });
}

void storePanelColumns(KernelBuilder &k, Value vector, Value rowPointer, Value column, int64_t columns) {
  Value offset = k.mul(column, 4);
  if (columns % kPanelRows == 0)
    return k.store(vector, rowPointer, offset, 0, 64);
  auto whole = [&] {
    k.store(vector, rowPointer, offset, 0, 64);
    return KernelBuilder::Values();
  };
  auto part = [&] {
    llvm::SmallVector<bool> keep(kPanelRows);
    for (int64_t i = 0; i < columns % kPanelRows; ++i)
      keep[i] = true;
    auto mask = DenseElementsAttr::get(k.vec(kPanelRows, k.b().getI1Type()), llvm::ArrayRef<bool>(keep));
    LLVM::MaskedStoreOp::create(k.b(), vector, k.address(rowPointer, offset), arith::ConstantOp::create(k.b(), mask),
                                64);
    return KernelBuilder::Values();
  };
  Value isWhole = k.less(column, k.c(columns / kPanelRows * kPanelRows));
  k.ifElse(isWhole, TypeRange(), whole, part);
}

} // namespace llmc
