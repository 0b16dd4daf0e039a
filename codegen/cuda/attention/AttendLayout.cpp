// Choice of warps and stages by shared memory.
#include "codegen/cuda/attention/AttendLayout.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>

namespace llmc {

/// QueryRows::areaBytes of the device library, for each 16 rows.
static constexpr int64_t kParkedBytes = 512;

/// attendSplitWarps(): rings and queries, then the rows of all warps over them.
static int64_t splitBytes(const CudaAttendShape &shape, int64_t parked, int64_t warps, int64_t stages) {
  int64_t rings = warps * (stages * shape.headPageBytes() + shape.widePageBytes() + parked * kParkedBytes);
  int64_t merge = warps * CudaAttendShape::kWarpRows * (shape.headDim + 8 + 2) * 4;
  return std::max(rings, merge);
}

/// attendTile()
static int64_t tileBytes(const CudaAttendShape &shape, const CudaAttendLayout &layout) {
  return layout.tilePages * (CudaAttendLayout::kTileStages * shape.headPageBytes() + shape.widePageBytes()) +
         CudaAttendLayout::kTileWarps * layout.rowBlocks * layout.tileParked * kParkedBytes;
}

/// A lane's registers, of 255: sums dim / 2, queries dim / 4 and scores 8 a page, all for each block of 16 rows. Two
/// blocks halve what is read from shared memory, which limits one.
static void chooseTile(const CudaAttendShape &shape, int64_t room, CudaAttendLayout &layout) {
  const int64_t dim = shape.headDim;
  layout.rowBlocks = dim <= 128 ? 2 : 1;
  layout.scorePages = dim <= 64 || dim > 128 ? 2 : 1;
  // Rows of 112 columns end at no regular place among the lanes that copy them, which costs registers for addresses.
  // Making f16 of a page takes some, too.
  const bool made = shape.kind != llm::QuantKind::F16;
  layout.tileParked = dim > 128 ? dim / 16 : dim == 128 ? (made ? 4 : 2) : dim > 96 ? 4 : 0;
  layout.tilePages = dim <= 128 ? 4 : 2;
  while (layout.tilePages > layout.scorePages && tileBytes(shape, layout) > room)
    layout.tilePages /= 2;
}

CudaAttendLayout chooseAttendLayout(const CudaAttendShape &shape, const Arch &arch) {
  CudaAttendLayout layout;
  int64_t room = arch.sharedBytesMax / CudaAttendLayout::kMinBlocks;
  if (shape.splits == 0) {
    chooseTile(shape, room, layout);
    layout.sharedBytes = tileBytes(shape, layout);
    room = std::max(room, layout.sharedBytes);
  }
  layout.splitParked = shape.headDim > 128 ? shape.headDim / 16 : 0;
  // By pages under way, then by warps.
  static constexpr struct {
    int64_t warps, stages;
  } kRings[] = {{4, 4}, {4, 3}, {2, 4}, {2, 3}, {4, 2}, {2, 2}, {1, 3}, {1, 2}};
  for (auto ring : kRings) {
    layout.splitWarps = ring.warps, layout.stages = ring.stages;
    if (splitBytes(shape, layout.splitParked, ring.warps, ring.stages) <= room)
      break;
  }
  layout.sharedBytes =
      std::max(layout.sharedBytes, splitBytes(shape, layout.splitParked, layout.splitWarps, layout.stages));
  layout.threads = 32 * (layout.tilePages ? CudaAttendLayout::kTileWarps : layout.splitWarps);
  return layout;
}

/// Of what mma.sync reaches: exponentials share the schedulers. FlashAttention 2, of the same form, is known to reach
/// about 350 TFLOP/s of an H100.
static constexpr double kTensorShare = 0.55;

KernelCost attendCost(const CudaAttendShape &shape, const CudaAttendLayout &layout, const Arch &arch) {
  KernelCost cost;
  const int64_t parts = std::max<int64_t>(1, shape.splits);
  cost.keyBytes = static_cast<double>(shape.kvHeads * shape.headPageBytes()) / CudaAttendShape::kPageTokens;
  cost.rowBytes =
      static_cast<double>(shape.heads * (shape.headDim + parts * (shape.headDim + (shape.splits ? 2 : 0)))) * 4;
  cost.pairFlops = static_cast<double>(4 * shape.headDim * shape.heads);
  cost.rowBlocks = static_cast<double>(shape.kvHeads * shape.headBlocks() * parts);
  // One page of each warp is in use while the others come.
  cost.blockBytes = static_cast<double>(layout.splitWarps * (layout.stages - 1) * shape.headPageBytes());
  cost.residentBlocks = CudaAttendLayout::kMinBlocks;
  cost.window = static_cast<double>(shape.window);
  cost.tflops = gpuOf(arch).bf16Tflops * kTensorShare;
  return cost;
}

std::string describeAttend(const CudaAttendShape &shape, const CudaAttendLayout &layout) {
  const int64_t dim = shape.headDim, keyBytes = shape.headPageBytes() / CudaAttendShape::kPageTokens;
  std::string text;
  llvm::raw_string_ostream out(text);
  out << "mma f16";
  if (shape.kind != llm::QuantKind::F16)
    out << " of " << llm::stringifyQuantKind(shape.kind);
  out << ", ";
  auto perByte = [&](int64_t rows) { return llvm::format("%.3g", double(4 * dim * rows) / double(keyBytes)); };
  if (layout.tilePages) {
    const int64_t tokens = layout.tileRows() / shape.rowHeads(), rows = tokens * shape.rowHeads();
    out << "tiles of " << tokens << " tokens x " << shape.rowHeads() << " heads against "
        << layout.tilePages * CudaAttendShape::kPageTokens << " keys a step, " << keyBytes << " bytes and "
        << 4 * dim * rows << " flops a key and tile: " << perByte(rows)
        << " flops a byte, limit tensor cores; few rows: ";
  }
  out << shape.rowHeads() << " heads of a KV head in 16 rows, " << layout.splitWarps << " warps x " << layout.stages
      << " pages of 16 keys, ";
  if (shape.splits)
    out << shape.splits << " splits, ";
  out << keyBytes << " bytes and " << 4 * dim * shape.rowHeads() << " flops a key: " << perByte(shape.rowHeads())
      << " flops a byte, limit memory";
  return text;
}

} // namespace llmc
