// The numbers behind each matrix product variant; measured with tests/bench/kernels/matmul_bench.
#include "codegen/registry/MatmulConfig.h"

#include "runtime/format/kernel_abi.h"
#include <algorithm>

namespace llmc {

int64_t MatmulShape::xStride() const {
  return static_cast<int64_t>(act == ActKind::Int8 ? rt::rowStrideBytes(rt::quantizedRowBytes(k)) : rt::rowStrideBytes(k * 4));
}

/// Activation rows that stay in half of a 1 MB L2 beside the weights, a multiple of `tileRows`, at most 252.
static int64_t rowsInCache(const MatmulShape &shape, int64_t tileRows) {
  int64_t rows = std::clamp<int64_t>(512 * 1024 / shape.xStride(), 48, 252);
  return std::max(tileRows, rows / tileRows * tileRows);
}

/// Register tile of integer products. AVX-512: 32 registers hold 8 weight lines and 12 sums with room for temporaries.
/// AVX2: 6 x 16 for unpacked nibbles (12 sums, 2 weights, 2 temporaries), 4 x 16 where more temporaries are live.
static void chooseInteger(const Level &level, const MatmulShape &shape, MatmulConfig &config) {
  bool many = shape.mMax == 0 || shape.mMax > 16;
  if (level.avx512 || shape.mMax == 1) {
    config.style = TileStyle::Direct;
    config.tileRows = shape.mMax == 1 ? 1 : shape.mMax == 4 ? 4 : shape.mMax == 16 ? 8 : 12;
    config.groupsPerIter = config.tileRows <= 4 ? 2 : 1;
    return;
  }
  config.style = TileStyle::Steps;
  config.tileRows = 4;
  bool bytesNeedSigns = !level.vnni && !shape.fourBit();
  if (many && !bytesNeedSigns)
    config.tileRows = 6;
  config.unpack = many && shape.fourBit();
}

static void chooseFloat(const Level &level, const MatmulShape &shape, MatmulConfig &config) {
  config.style = TileStyle::Float;
  bool few = shape.mMax == 1 || shape.mMax == 4;
  config.tileRows = few ? shape.mMax : level.avx512 ? (shape.mMax == 16 ? 8 : 12) : 4;
}

MatmulConfig chooseMatmul(const Level &level, const MatmulShape &shape) {
  MatmulConfig config;
  if (shape.act == ActKind::Int8)
    chooseInteger(level, shape, config);
  else
    chooseFloat(level, shape, config);
  int64_t most = shape.mMax == 0 ? rowsInCache(shape, config.tileRows) : shape.mMax;
  config.rowBlock = roundUpTo(most, config.tileRows);
  // Unpacked nibbles of 32 groups are 16 KB: half of L1.
  if (config.unpack && shape.groups() > 48)
    config.groupBlock = 32;
  bool few = shape.mMax == 1 || shape.mMax == 4 || shape.mMax == 16;
  if (few)
    config.prefetchBytes = isQuantized(shape.layout) ? 4 * superblockBytes(shape.layout) : 2048;
  return config;
}

int64_t matmulSumsBytes(const MatmulShape &shape, const MatmulConfig &config) {
  return config.rowBlock * shape.unitPanels * kPanelRows * 4;
}

int64_t matmulUnpackBytes(const MatmulShape &shape, const MatmulConfig &config) {
  if (!config.unpack)
    return 0;
  int64_t groups = config.groupBlock ? config.groupBlock : shape.groups();
  return groups * kQuantGroup * kPanelRows;
}

int64_t matmulScratchBytes(MatmulShape shape) {
  int64_t most = 0;
  for (const Level &level : cpuLevels())
    for (int64_t mMax : kRowClasses) {
      shape.mMax = mMax;
      MatmulConfig config = chooseMatmul(level, shape);
      most = std::max(most, matmulSumsBytes(shape, config) + matmulUnpackBytes(shape, config));
    }
  return roundUpTo(most, 64);
}

} // namespace llmc
