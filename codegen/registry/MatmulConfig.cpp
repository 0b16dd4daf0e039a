// The numbers behind each matrix product variant; measured with tests/bench/kernels/matmul_bench.
#include "codegen/registry/MatmulConfig.h"

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

/// How far on one row fetches: a 1B shape in Q4_K decodes with 1 thread at 31.6, 33.8 and 40.7 tok/s 2.3, 4.6 and 9.2
/// KB ahead, with 4 at 72 to 74 (EPYC Zen 5, AVX2; README.md of codegen/cpu/matmul).
constexpr int64_t kRowAhead = 9216;

/// What a worker takes at a time at most, and the least weights of a product that are not divided equally. A chunk
/// costs a cold start of the stream, under a microsecond; the last ones taken are what workers wait for.
constexpr int64_t kMostChunk = 256 * 1024;
constexpr int64_t kLeastSharedOut = 2048 * 1024;

/// 8 chunks in the last quarter at least.
static int64_t chunkBytesOf(const MatmulShape &shape) {
  const int64_t bytes = packedBytes(shape.layout, shape.n, shape.k);
  return bytes < kLeastSharedOut ? 0 : std::min(kMostChunk, bytes / 32 / 1024 * 1024);
}

/// Activation rows that stay in half of a 1 MB L2 beside the weights, a multiple of `tileRows`; at most 120, so that
/// f32 sums in memory leave L1 to the unpacked panel (252 rows: 165 instead of 225 GOP/s at AVX2). 128 where the mins
/// of a panel are prepared for each block.
static int64_t rowsInCache(int64_t xStride, int64_t tileRows, bool rowScales) {
  int64_t rows = std::clamp<int64_t>(512 * 1024 / xStride, 48, rowScales ? 128 + tileRows - 1 : 120);
  return std::max(tileRows, rows / tileRows * tileRows);
}

/// Whether a variant has 16-bit scales of rows. Operations on the ports of the products, a group of 32 columns: 10
/// instead of 12, or 11 for symmetric weights; without VNNI at AVX2 10 or 11 instead of 14, 8 bits 17 instead of 19
/// (README.md has all formats). With AVX-512 the mins of asymmetric ones are prepared once a panel, at AVX2 codes
/// turned once a panel and rows once a block: too much for few rows.
static bool hasRowScales(const Level &level, const MatmulShape &shape) {
  if (level.avx512 != level.vnni || shape.act != ActKind::Int8)
    return false;
  if (!level.avx512)
    return shape.manyRows() || (shape.fourBit() && shape.mMax > 4);
  return shape.fourBit() && (shape.manyRows() || !shape.asymmetric());
}

/// Whether more rows than the class has round otherwise: exact steps of any number of them run this variant.
static bool isLastOfItsRounding(const Level &level, const MatmulShape &shape) {
  if ((shape.mMax != 4 && shape.mMax != 16) || hasRowScales(level, shape))
    return false;
  MatmulShape more = shape;
  more.mMax = shape.mMax * 4;
  return hasRowScales(level, more);
}

/// Register tile of integer products. AVX-512: 8 weight vectors and 8 sums leave half of the 32 registers to
/// temporaries; 12 rows were no faster and waste more of the last tile. Two panels share what is read of x where loads
/// bind: 8 bits on 512-bit data paths; 4 bits have twice the unpacking then, unless 16 rows share it and sums lie in
/// memory (README.md). AVX2: 6 x 16 for unpacked nibbles (12 sums, 2 weights, 2 temporaries), 4 x 16 where more
/// temporaries are live.
static void chooseInteger(const Level &level, const MatmulShape &shape, MatmulConfig &config) {
  const bool many = shape.manyRows();
  if (level.avx512 || shape.mMax == 1) {
    config.style = TileStyle::Direct;
    config.tileRows = std::min<int64_t>(shape.mMax ? shape.mMax : 8, 8);
    config.groupsPerIter = config.tileRows <= 4 ? 2 : 1;
    config.rowScales = hasRowScales(level, shape);
    // Units of 8 panels are heads with vectors of their own, for which the loop has no register left.
    const bool halves = shape.unitPanels == 1 || shape.unitPanels == 2 || shape.unitPanels == 4;
    if (level.fullWidth && many && halves && shape.panels() > 1 && shape.format().bits == 8) {
      config.tilePanels = 2;
      config.tileRows = 4;
      config.groupsPerIter = 1;
    }
    if (level.fullWidth && many && halves && shape.panels() > 1 && config.rowScales) {
      config.style = TileStyle::Wide;
      config.tilePanels = 2;
      config.tileRows = 16;
      config.tailRows = 8;
    }
    return;
  }
  if (hasRowScales(level, shape)) {
    config.style = TileStyle::Words;
    config.tileRows = many ? 6 : 4; // 8 and 16 rows are multiples of 4, and most steps have those
    config.tailRows = many ? 4 : 2;
    config.rowScales = config.unpack = true;
    const int64_t block = kL1Bytes / 2 / WordLayout(shape).codeBytes;
    config.groupBlock = shape.groups() > block * 3 / 2 ? block : 0;
    return;
  }
  config.style = TileStyle::Steps;
  // Without VNNI 6 and 8 bits need more than one instruction a product, and its temporaries.
  bool longProducts = !level.vnni && shape.format().bits >= 6;
  config.tileRows = many && !longProducts ? 6 : 4;
  config.unpack = shape.hasUpperBits() || (many && shape.fourBit());
  // Unpacked codes of 32 groups are 16 KB: half of L1.
  if ((many || config.unpack) && shape.groups() > 48)
    config.groupBlock = 32;
}

static void chooseFloat(const Level &level, const MatmulShape &shape, MatmulConfig &config) {
  config.style = TileStyle::Float;
  const bool many = shape.manyRows();
  if (many && shape.bf16Products && level.bf16 && shape.layout == Layout::BF16N16K2 && shape.k % kQuantGroup == 0) {
    config.style = TileStyle::Pairs;
    config.tileRows = 12;
    // 12 rows of 256 columns and a panel of as many are 14 KB.
    config.groupBlock = shape.groups() > 16 ? 8 : 0;
    // The lines of the next pass: 406 instead of 346 GOP/s on two cores (16384x2048, 512 rows).
    config.prefetchBytes = std::min<int64_t>(8, shape.groups()) * kQuantGroup * kPanelRows * 2;
    return;
  }
  bool few = shape.mMax == 1 || shape.mMax == 4;
  config.tileRows = few ? shape.mMax : level.avx512 ? 8 : 4;
  // 8 rows of 256 columns of f32 and a panel of as many are 24 KB at most.
  if (!few && shape.groups() > 32)
    config.groupBlock = 8;
  if (many && !level.avx512 && (shape.layout == Layout::BF16N16K2 || shape.layout == Layout::F16N16)) {
    config.tileRows = 6;
    config.prefetchBytes = std::min<int64_t>(8, shape.groups()) * kQuantGroup * kPanelRows * 2;
  }
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
  MatmulConfig config;
  if (shape.act == ActKind::Int8)
    chooseInteger(level, shape, config);
  else
    chooseFloat(level, shape, config);
  bool few = shape.mMax == 1 || shape.mMax == 4 || shape.mMax == 16;
  if (few && config.tileRows > 2)
    config.tailRows = config.tileRows / 2;
  config.anyRows = shape.mMax == 0 || isLastOfItsRounding(level, shape);
  int64_t most = config.anyRows ? rowsInCache(config.rowStride(shape), config.tileRows, config.rowScales) : shape.mMax;
  config.rowBlock = roundUpTo(most, config.tileRows);
  // A few rows wait for memory. The CPU's own prefetchers reach the read bandwidth as long as the stream never jumps;
  // an instruction that fetches ahead, or a header passed over, costs up to half of it. From 5 rows on a line takes so
  // much longer to use than to read that they stop too early, and fetching the next panel pays (README.md).
  bool waits = shape.mMax == 1 || shape.mMax == 4;
  config.inOrder = few && (waits || config.style != TileStyle::Direct);
  config.prefetchX = few && panelBytes(shape.layout, shape.k) + config.tileRows * shape.xStride() > kL1Bytes;
  // A Zen 5 core reads so fast that its prefetchers stop too early with 4 rows, too.
  if (shape.act == ActKind::Int8 && (!waits || (level.fullWidth && shape.mMax == 4)))
    config.prefetchBytes = config.tilePanels * panelBytes(shape.layout, shape.k);
  // AVX2 takes twice the instructions to use a line, which keeps its prefetchers short of the bandwidth with one row,
  // too; on Zen 5 the factors of byte scales do (1 thread, Q4_K: 34.8 -> 39.2 tok/s).
  if (shape.mMax == 1 && (!level.avx512 || (level.fullWidth && shape.format().byteScales)))
    config.prefetchBytes = kRowAhead;
  // Class 64 counts a worker's items to fetch pages of the cache beside them.
  if (few)
    config.chunkBytes = chunkBytesOf(shape);
  else if (shape.mMax == 0)
    config.chunkBytes = config.itemBytes(shape);
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
    text += ", a quarter dealt in chunks of " + std::to_string(config.chunkBytes / 1024) + " KB";
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
