// Choice of warps and stages by shared memory.
#include "codegen/cuda/attention/AttendLayout.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>

namespace llmc {

/// Warps with heads over 128 keep their queries in shared memory: ParkedQuery of the device library.
static int64_t parkedBytes(const CudaAttendShape &shape, int64_t warps) {
  return shape.headDim > 128 ? warps * shape.headDim * 32 : 0;
}

/// attendSplitWarps(): rings and queries, then the rows of all warps over them.
static int64_t splitBytes(const CudaAttendShape &shape, int64_t warps, int64_t stages) {
  int64_t rings = warps * stages * shape.headPageBytes() + parkedBytes(shape, warps);
  int64_t merge = warps * CudaAttendShape::kWarpRows * (shape.headDim + 8 + 2) * 4;
  return std::max(rings, merge);
}

/// attendTile()
static int64_t tileBytes(const CudaAttendShape &shape, int64_t pages) {
  return CudaAttendLayout::kTileStages * pages * shape.headPageBytes() +
         parkedBytes(shape, CudaAttendLayout::kTileWarps);
}

CudaAttendLayout chooseAttendLayout(const CudaAttendShape &shape, const Arch &arch) {
  CudaAttendLayout layout;
  int64_t room = arch.sharedBytesMax / 2;
  if (shape.splits == 0) {
    layout.tilePages = shape.headDim > 128 ? 2 : 4; // of a step's scores, 8 registers a page
    while (layout.tilePages > 1 && tileBytes(shape, layout.tilePages) > room)
      layout.tilePages /= 2;
    layout.sharedBytes = tileBytes(shape, layout.tilePages);
    room = std::max(room, layout.sharedBytes);
  }
  // By pages under way, then by warps.
  static constexpr struct {
    int64_t warps, stages;
  } kRings[] = {{4, 4}, {4, 3}, {2, 4}, {2, 3}, {4, 2}, {2, 2}, {1, 3}, {1, 2}};
  for (auto ring : kRings) {
    layout.splitWarps = ring.warps, layout.stages = ring.stages;
    if (splitBytes(shape, ring.warps, ring.stages) <= room)
      break;
  }
  layout.sharedBytes = std::max(layout.sharedBytes, splitBytes(shape, layout.splitWarps, layout.stages));
  layout.threads = 32 * (layout.tilePages ? CudaAttendLayout::kTileWarps : layout.splitWarps);
  return layout;
}

std::string describeAttend(const CudaAttendShape &shape, const CudaAttendLayout &layout) {
  const int64_t dim = shape.headDim, keyBytes = 4 * dim;
  std::string text;
  llvm::raw_string_ostream out(text);
  out << "mma f16, ";
  if (layout.tilePages) {
    const int64_t rows = CudaAttendLayout::kTileRows / shape.rowHeads() * shape.rowHeads();
    out << "tiles of " << CudaAttendLayout::kTileRows / shape.rowHeads() << " tokens x " << shape.rowHeads()
        << " heads against " << layout.tilePages * CudaAttendShape::kPageTokens << " keys a step, " << keyBytes
        << " bytes and " << 4 * dim * rows << " flops a key and tile: " << rows
        << " flops a byte, limit tensor cores; few rows: ";
  }
  out << shape.rowHeads() << " heads of a KV head in 16 rows, " << layout.splitWarps << " warps x " << layout.stages
      << " pages of 16 keys, ";
  if (shape.splits)
    out << shape.splits << " splits, ";
  out << keyBytes << " bytes and " << 4 * dim * shape.rowHeads() << " flops a key: " << shape.rowHeads()
      << " flops a byte, limit memory";
  return text;
}

} // namespace llmc
