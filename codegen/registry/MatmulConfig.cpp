// From the rows of MatmulTable.cpp to a configuration, and what follows from one.
#include "codegen/registry/MatmulConfig.h"

#include "codegen/registry/MatmulTable.h"
#include "codegen/registry/MatmulTuning.h"
#include "runtime/format/kernel_abi.h"
#include <algorithm>
#include <cmath>

namespace llmc {

int64_t MatmulShape::xStride() const {
  return static_cast<int64_t>(act == ActKind::Int8
                                  ? rt::rowStrideBytes(rt::quantizedRowBytes(k, static_cast<uint64_t>(format().group)))
                                  : rt::rowStrideBytes(k * 4));
}

int64_t MatmulConfig::rowStride(const MatmulShape &shape) const {
  if (style == TileStyle::Pairs)
    return static_cast<int64_t>(rt::rowStrideBytes(shape.k * 2));
  return style == TileStyle::Words ? static_cast<int64_t>(rt::rowStrideBytes(shape.groups() * WordLayout(shape).xBytes))
                                   : shape.xStride();
}

bool MatmulConfig::sharesPrefetch(const MatmulShape &shape) const {
  const int64_t most = shape.mMax ? std::min(shape.mMax, rowBlock) : rowBlock;
  return style != TileStyle::Float && style != TileStyle::Pairs && groupsPerIter == 1 && most > 2 * tileRows &&
         prefetchBytes == tilePanels * panelBytes(shape.layout, shape.k);
}

int64_t MatmulConfig::itemBytes(const MatmulShape &shape) const {
  return itemUnits(shape) * shape.unitPanels * panelBytes(shape.layout, shape.k);
}

int64_t MatmulConfig::chunkItems(const MatmulShape &shape) const {
  return std::max<int64_t>(1, chunkBytes / itemBytes(shape));
}

constexpr int64_t kL1Bytes = 32 * 1024;

/// Whether more rows than the class has round otherwise: exact steps of any number of them run this variant.
static bool isLastOfItsRounding(const Level &level, const MatmulShape &shape) {
  if ((shape.mMax != 4 && shape.mMax != 16) || tileOf(level, shape).has & kRowScales)
    return false;
  MatmulShape more = shape;
  more.mMax = shape.mMax * 4;
  return tileOf(level, more).has & kRowScales;
}

static int64_t bytesAhead(const Ahead &ahead, const MatmulShape &shape, int64_t tilePanels) {
  switch (ahead.kind) {
  case Ahead::Nothing:
    return 0;
  case Ahead::Bytes:
    return ahead.bytes;
  case Ahead::NextPanel:
    return tilePanels * panelBytes(shape.layout, shape.k);
  case Ahead::NextPass: // of 16-bit floats, 256 columns or all
    return std::min<int64_t>(8, shape.groups()) * kQuantGroup * kPanelRows * 2;
  }
  return 0;
}

/// Rows of x in a block of any number of rows: whole tiles.
static int64_t blockRows(const Level &level, const MatmulShape &shape, const MatmulConfig &config) {
  const BlockRow &block = blockOf(level, config);
  // A tile that begins below the most may end above it where the mins of a panel are prepared for each block.
  const int64_t most = config.rowScales ? block.most + config.tileRows - 1 : block.most;
  const int64_t rows = std::clamp(block.bytes / config.rowStride(shape), block.least, most);
  return std::max(config.tileRows, rows / config.tileRows * config.tileRows);
}

static int64_t chunkBytesOf(const MatmulShape &shape, const MatmulConfig &config) {
  const ShareRow &share = shareOf(shape);
  const int64_t bytes = packedBytes(shape.layout, shape.n, shape.k);
  if (share.parts == 0 || bytes < share.least)
    return 0;
  return share.most ? std::min(share.most, bytes / share.parts / 1024 * 1024) : config.itemBytes(shape);
}

/// What the order and the rounding of a row's sums depend on. Integer sums are exact and their groups are added in the
/// order of columns, in registers or in memory; only row scales round otherwise.
static bool roundsAlike(const Level &level, const MatmulConfig &a, const MatmulConfig &b) {
  auto isInteger = [](const MatmulConfig &config) {
    return config.style != TileStyle::Float && config.style != TileStyle::Pairs;
  };
  if (isInteger(a) || isInteger(b))
    return isInteger(a) && isInteger(b) && a.rowScales == b.rowScales;
  auto chains = [&](const MatmulConfig &config) {
    return std::max(MatmulConfig::chains(level, config.tileRows),
                    config.tailRows ? MatmulConfig::chains(level, config.tailRows) : 1);
  };
  return a.style == b.style && chains(a) == 1 && chains(b) == 1;
}

/// The class whose rounding exact steps have: 4 or 16 where more rows have another, as steps of few rows are the common
/// ones and lose the most by code that is made for many.
static int64_t exactClass(const Level &level, const MatmulShape &shape) {
  MatmulShape few = shape, many = shape;
  many.mMax = 0;
  if (!chooseMatmul(level, many).rowScales)
    return 0;
  for (int64_t mMax : {16, 4}) {
    few.mMax = mMax;
    const MatmulConfig config = chooseMatmul(level, few);
    if (!config.rowScales && config.anyRows)
      return mMax;
  }
  return 0;
}

bool roundsExactly(const Level &level, const MatmulShape &shape) {
  MatmulShape exact = shape;
  exact.mMax = exactClass(level, shape);
  if (exact.mMax != 0 && (shape.mMax == 0 || shape.mMax > exact.mMax))
    return false; // the last one takes any number of rows
  return shape.mMax == exact.mMax || roundsAlike(level, chooseMatmul(level, shape), chooseMatmul(level, exact));
}

MatmulConfig chooseMatmul(const Level &level, const MatmulShape &shape) {
  if (shape.tuning)
    if (auto numbers = shape.tuning->numbers(level.name, shape.mMax); !numbers.empty()) {
      std::string fault; // databases are checked when they are read; a shape that pads otherwise keeps the table's
      return matmulWith(level, shape, numbers, fault);
    }
  const TileRow &tile = tileOf(level, shape);
  const FetchRow &fetch = fetchOf(level, shape);
  MatmulConfig config;
  config.style = tile.style;
  config.tileRows = tile.rows;
  config.tilePanels = tile.panels;
  config.tailRows = tile.tail;
  config.groupsPerIter = tile.groups;
  config.rowScales = tile.has & kRowScales;
  config.unpack = tile.has & kUnpack;
  config.groupBlock = shape.groups() > tile.pass.over ? tile.pass.groups : 0;
  config.anyRows = shape.mMax == 0 || isLastOfItsRounding(level, shape);
  config.rowBlock = config.anyRows ? blockRows(level, shape, config) : roundUpTo(shape.mMax, config.tileRows);
  config.inOrder = fetch.inOrder;
  config.prefetchX = fetch.fetchesX && panelBytes(shape.layout, shape.k) + config.tileRows * shape.xStride() > kL1Bytes;
  config.prefetchBytes = bytesAhead(fetch.ahead, shape, config.tilePanels);
  config.chunkBytes = chunkBytesOf(shape, config);
  return config;
}

std::string describeMatmul(const MatmulShape &shape, const MatmulConfig &config) {
  const char *style = config.style == TileStyle::Direct  ? "direct"
                      : config.style == TileStyle::Steps ? "steps"
                      : config.style == TileStyle::Words ? "words"
                      : config.style == TileStyle::Wide  ? "wide"
                      : config.style == TileStyle::Pairs ? "bf16 pairs"
                                                         : "float";
  std::string text = std::string(style) + ", " + std::to_string(config.tileRows) + " x " +
                     std::to_string(config.tilePanels * kPanelRows) +
                     (config.style == TileStyle::Wide ? " sums in memory" : " sums in registers");
  if (config.anyRows)
    text += ", " + std::to_string(config.rowBlock) + " rows a block";
  if (config.groupBlock)
    text += ", " + std::to_string(config.groupBlock * kQuantGroup) + " columns a pass";
  if (config.unpack)
    text += ", codes unpacked to scratch";
  if (config.rowScales)
    text += ", 16-bit scales of rows";
  if (config.inOrder)
    text += ", lines in order";
  if (config.prefetchBytes)
    text += ", prefetch " + std::to_string(config.prefetchBytes) + " B ahead";
  if (config.chunkBytes)
    text += ", a quarter dealt in chunks of " + std::to_string(config.chunkBytes / 1024) + " KB" +
            (config.anyRows ? " or half a block of rows" : "");
  return text;
}

int64_t matmulSumsBytes(const MatmulShape &shape, const MatmulConfig &config) {
  return config.rowBlock * config.itemUnits(shape) * shape.unitPanels * kPanelRows * 4;
}

int64_t matmulUnpackBytes(const MatmulShape &shape, const MatmulConfig &config) {
  if (!config.unpack)
    return 0;
  int64_t groups = config.groupBlock ? config.groupBlock : shape.groups();
  return groups * (config.style == TileStyle::Words ? WordLayout(shape).groupBytes : kQuantGroup * kPanelRows);
}

RowScalesLayout::RowScalesLayout(const MatmulShape &shape) {
  const WordLayout words(shape);
  const int64_t part = words.wide ? 0 : roundUpTo(shape.groups() * words.parts * 4, 64);
  biases = part;
  starts = shape.asymmetric() ? 2 * part : biases;
  unit = shape.asymmetric() && words.center ? 3 * part : 2 * part;
  stride = unit + 64;
}

WordLayout::WordLayout(const MatmulShape &shape) {
  const QuantFormat format = shape.format();
  wide = format.bits == 8;
  parts = kQuantGroup / format.group;
  steps = (wide ? 16 : 8) / parts;
  center = format.bits == 5 ? 16 : format.asymmetric ? 0 : format.zero;
  xBytes = kQuantGroup * (wide ? 2 : 1);
  codeBytes = kPanelRows * xBytes;
  groupBytes = codeBytes + parts * kPanelRows * 4;
}

int64_t minSumLargest(int64_t groups) {
  return std::min<int64_t>(32767, static_cast<int64_t>(std::sqrt(2147483647.0 / static_cast<double>(groups))));
}

int64_t matmulRowScalesBytes(const MatmulShape &shape, const MatmulConfig &config) {
  if (!config.rowScales)
    return 0;
  return config.rowBlock * RowScalesLayout(shape).stride +
         (config.preparesMins(shape) ? config.tilePanels * minSumBytes(shape) : 0);
}

int64_t matmulCopiedBytes(const MatmulShape &shape, const MatmulConfig &config) {
  return config.style == TileStyle::Pairs || config.style == TileStyle::Words
             ? config.rowBlock * config.rowStride(shape)
             : 0;
}

int64_t matmulScratchBytes(MatmulShape shape) {
  int64_t most = 0;
  for (const Level &level : cpuLevels())
    for (int64_t mMax : kRowClasses) {
      shape.mMax = mMax;
      MatmulConfig config = chooseMatmul(level, shape);
      most = std::max(most, matmulSumsBytes(shape, config) + matmulUnpackBytes(shape, config) +
                                matmulRowScalesBytes(shape, config) + matmulCopiedBytes(shape, config));
    }
  return roundUpTo(most, 64);
}

} // namespace llmc
