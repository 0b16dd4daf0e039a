// What may vary in a configuration, and what must not.
#include "codegen/registry/MatmulTuning.h"

#include <algorithm>

namespace llmc {

static constexpr llvm::StringLiteral kNames[] = {"tile_rows",      "tile_panels",     "tail_rows",  "row_block",
                                                 "group_block",    "groups_per_iter", "row_scales", "unpack",
                                                 "prefetch_bytes", "chunk_bytes"};

llvm::ArrayRef<llvm::StringLiteral> matmulNumberNames() { return kNames; }

/// Two panels of 8 bits and 16,384 columns: what the table fetches ahead.
constexpr int64_t kMostPrefetch = 1 << 20;
constexpr int64_t kLargestChunk = 64 << 20;

/// False: no such name.
static bool setNumber(MatmulConfig &config, llvm::StringRef name, int64_t value) {
  if (name == "tile_rows")
    config.tileRows = value;
  else if (name == "tile_panels")
    config.tilePanels = value;
  else if (name == "tail_rows")
    config.tailRows = value;
  else if (name == "row_block")
    config.rowBlock = value;
  else if (name == "group_block")
    config.groupBlock = value;
  else if (name == "groups_per_iter")
    config.groupsPerIter = value;
  else if (name == "row_scales")
    config.rowScales = value != 0;
  else if (name == "unpack")
    config.unpack = value != 0;
  else if (name == "prefetch_bytes")
    config.prefetchBytes = value;
  else if (name == "chunk_bytes")
    config.chunkBytes = value;
  else
    return false;
  return true;
}

static std::string outOf(llvm::StringRef name, int64_t value, const std::string &expected) {
  return name.str() + " " + std::to_string(value) + ": expected " + expected;
}

/// Rows: tiles, tails and blocks.
static std::string rowFault(const Level &level, const MatmulShape &shape, const MatmulConfig &config) {
  // More sums than registers are legal and slow; more than this only make code that nobody wants to compile.
  int64_t most = shape.mMax == 0 ? 16 : std::min<int64_t>(shape.mMax, 16);
  // Wide has its sums in memory; two panels of floats leave eight registers to weights and x.
  if ((config.style == TileStyle::Float || config.style == TileStyle::Pairs) && level.avx512)
    most = std::min<int64_t>(most, 12);
  else if (config.style != TileStyle::Wide)
    most = std::min<int64_t>(most, (level.avx512 ? 12 : 8) / std::clamp<int64_t>(config.tilePanels, 1, 2));
  if (config.tileRows < 1 || config.tileRows > most)
    return outOf("tile_rows", config.tileRows, "1 to " + std::to_string(most));
  if (config.tailRows < 0 || config.tailRows >= std::max<int64_t>(config.tileRows, 1))
    return outOf("tail_rows", config.tailRows, "0 to less than tile_rows");
  if (config.rowBlock % config.tileRows != 0 || config.rowBlock < config.tileRows || config.rowBlock > 1024)
    return outOf("row_block", config.rowBlock,
                 "a multiple of tile_rows (" + std::to_string(config.tileRows) + "), at most 1024");
  if (shape.mMax != 0 && config.rowBlock < shape.mMax)
    return outOf("row_block", config.rowBlock, "all " + std::to_string(shape.mMax) + " rows of the class");
  return {};
}

std::string matmulFault(const Level &level, const MatmulShape &shape, const MatmulConfig &config) {
  if (std::string fault = rowFault(level, shape, config); !fault.empty())
    return fault;
  const bool direct = config.style == TileStyle::Direct, wide = config.style == TileStyle::Wide;
  const bool floats =
      (config.style == TileStyle::Float && !isQuantized(shape.layout)) || config.style == TileStyle::Pairs;
  if (config.tilePanels != 1 && !(config.tilePanels == 2 && (direct || wide || floats) && level.avx512 &&
                                  config.groupsPerIter == 1 && (shape.unitPanels == 1 || shape.unitPanels % 2 == 0)))
    return outOf(
        "tile_panels", config.tilePanels,
        "1, or 2 with 512 bits, int8 activations or float weights, groups_per_iter 1 and units of one panel or "
        "pairs");
  if (config.groupBlock != 0 && (direct || config.groupBlock < 0 || config.groupBlock % 8 != 0))
    return outOf("group_block", config.groupBlock, direct ? "0 where sums stay in registers" : "0 or a multiple of 8");
  if (config.groupsPerIter != 1 && !(direct && config.groupsPerIter == 2))
    return outOf("groups_per_iter", config.groupsPerIter, direct ? "1 or 2" : "1");
  const bool words = config.style == TileStyle::Words;
  if (words && !config.rowScales)
    return outOf("row_scales", 0, "1: the words of a lane are scaled together");
  if (words && !config.unpack)
    return outOf("unpack", 0, "1: codes have to be turned");
  if (wide && !config.rowScales)
    return outOf("row_scales", 0, "1: sums are kept in their units");
  if (config.rowScales && !words &&
      !((direct || wide) && level.avx512 && level.vnni && shape.fourBit() && (shape.manyRows() || !shape.asymmetric())))
    return outOf(
        "row_scales", 1,
        "0: they are for 4-bit weights, VNNI with 512 bits and, where the weights have mins, more than 16 rows");
  if (config.unpack && !words && !(config.style == TileStyle::Steps && shape.format().bits < 8))
    return outOf("unpack", 1, "0: it is for codes below 8 bits without AVX-512, or for words");
  if (!config.unpack && config.style == TileStyle::Steps && shape.hasUpperBits())
    return outOf("unpack", 0, "1 for 5 and 6 bits");
  if (config.prefetchBytes < 0 || config.prefetchBytes > kMostPrefetch || config.prefetchBytes % 64 != 0)
    return outOf("prefetch_bytes", config.prefetchBytes, "a multiple of 64 up to " + std::to_string(kMostPrefetch));
  if (config.chunkBytes != 0 && shape.mMax == 64)
    return outOf("chunk_bytes", config.chunkBytes, "0: 17 to 64 rows have equal shares");
  if (config.chunkBytes < 0 || config.chunkBytes > kLargestChunk || config.chunkBytes % 64 != 0)
    return outOf("chunk_bytes", config.chunkBytes, "a multiple of 64 up to " + std::to_string(kLargestChunk));
  return {};
}

/// What follows from the rows of a tile.
static void setRows(MatmulConfig &config, const MatmulShape &shape, const MatmulConfig &table, int64_t rows) {
  if (shape.mMax)
    rows = std::min(rows, shape.mMax);
  config.tileRows = rows;
  if (rows != table.tileRows)
    config.tailRows = table.tailRows ? rows / 2 : 0;
  config.rowBlock = table.anyRows ? std::max(rows, table.rowBlock / rows * rows) : roundUpTo(shape.mMax, rows);
}

/// What follows from the panels of a tile, rows aside.
static void setPanels(MatmulConfig &config, const MatmulShape &shape, int64_t panels) {
  if (config.prefetchBytes == config.tilePanels * panelBytes(shape.layout, shape.k))
    config.prefetchBytes = panels * panelBytes(shape.layout, shape.k);
  config.tilePanels = panels;
  if (panels > 1)
    config.groupsPerIter = 1;
}

MatmulConfig matmulWith(const Level &level, const MatmulShape &shape, llvm::ArrayRef<TunedNumber> numbers,
                        std::string &fault) {
  MatmulShape plain = shape;
  plain.tuning.reset();
  MatmulConfig config = chooseMatmul(level, plain);
  const MatmulConfig table = config;
  for (const TunedNumber &number : numbers)
    if (number.name == "tile_panels" && number.value != table.tilePanels && (number.value == 1 || number.value == 2)) {
      setPanels(config, shape, number.value);
      setRows(config, shape, table, config.style != TileStyle::Direct ? config.tileRows : number.value == 2 ? 4 : 8);
      if (config.style == TileStyle::Direct && shape.manyRows())
        config.tailRows = number.value == 1 ? config.tileRows / 2 : 0; // as the table has them
    }
  for (const TunedNumber &number : numbers)
    if (number.name == "tile_rows" && number.value > 0)
      setRows(config, shape, table, number.value);
  for (const TunedNumber &number : numbers)
    if (!setNumber(config, number.name, number.value)) {
      fault = "unknown number '" + number.name + "'";
      return table;
    }
  fault = matmulFault(level, shape, config);
  return fault.empty() ? config : table;
}

std::vector<MatmulAxis> matmulAxes(const Level &level, const MatmulShape &shape) {
  std::string fault;
  const MatmulConfig table = matmulWith(level, shape, {}, fault);
  const int64_t superblock = isQuantized(shape.layout) ? superblockBytes(shape.layout) : 512;
  std::vector<MatmulAxis> axes = {
      {"tile_rows", {table.tileRows, 1, 2, 3, 4, 5, 6, 8, 10, 12}},
      {"tile_panels", {table.tilePanels, 1, 2}},
      {"groups_per_iter", {table.groupsPerIter, 1, 2}},
      {"row_scales", {table.rowScales, 0, 1}},
      {"unpack", {table.unpack, 0, 1}},
      {"group_block", {table.groupBlock, 0, 8, 16, 32, 64}},
      {"prefetch_bytes",
       {table.prefetchBytes, 0, roundUpTo(2 * superblock, 64), roundUpTo(4 * superblock, 64),
        roundUpTo(8 * superblock, 64), roundUpTo(16 * superblock, 64)}},
      {"chunk_bytes", {table.chunkBytes, 0, 64 << 10, 256 << 10, 1 << 20}}};
  if (shape.mMax == 0)
    axes.push_back({"row_block", {table.rowBlock, 48, 96, 120, 192, 240, 384}});
  for (MatmulAxis &axis : axes) {
    std::vector<int64_t> kept;
    for (int64_t value : axis.values) {
      matmulWith(level, shape, {{axis.name, value}}, fault);
      if (fault.empty() && std::find(kept.begin(), kept.end(), value) == kept.end())
        kept.push_back(value);
    }
    axis.values = kept;
  }
  std::erase_if(axes, [](const MatmulAxis &axis) { return axis.values.size() < 2; });
  return axes;
}

void MatmulTuning::set(llvm::StringRef level, int64_t mMax, std::vector<TunedNumber> numbers) {
  choices_.push_back({level.str(), mMax, std::move(numbers)});
}

llvm::ArrayRef<TunedNumber> MatmulTuning::numbers(llvm::StringRef level, int64_t mMax) const {
  for (const Choice &choice : choices_)
    if (choice.level == level && choice.mMax == mMax)
      return choice.numbers;
  return {};
}

} // namespace llmc
