// Choice of warps and stages by shared memory, and what else could be chosen.
#include "codegen/cuda/attention/AttendLayout.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>

namespace llmc {

/// QueryRows::areaBytes of the device library, for each 16 rows.
static constexpr int64_t kParkedBytes = 512;

/// attendSplitWarps(): rings and queries, then the rows of all warps over them.
static int64_t splitBytes(const CudaAttendShape &shape, const CudaAttendLayout &layout) {
  const int64_t warps = layout.splitWarps;
  int64_t rings =
      warps * (layout.stages * shape.headPageBytes() + shape.widePageBytes() + layout.splitParked * kParkedBytes);
  int64_t merge = warps * CudaAttendShape::kWarpRows * (shape.headDim + 8 + 2) * 4;
  return std::max(rings, merge);
}

/// attendTile()
static int64_t tileBytes(const CudaAttendShape &shape, const CudaAttendLayout &layout) {
  return layout.tilePages * (CudaAttendLayout::kTileStages * shape.headPageBytes() + shape.widePageBytes()) +
         layout.tileWarps * layout.rowBlocks * layout.tileParked * kParkedBytes;
}

/// What follows from the numbers that are chosen.
static void complete(const CudaAttendShape &shape, CudaAttendLayout &layout) {
  const int64_t dim = shape.headDim;
  layout.splitParked = dim > 128 ? dim / 16 : 0;
  layout.sharedBytes = splitBytes(shape, layout);
  layout.threads = 32 * layout.splitWarps;
  if (!layout.tileWarps)
    return;
  // Rows of 112 columns end at no regular place among the lanes that copy them, which costs registers for addresses.
  // Making f16 of a page takes some, too.
  const bool made = shape.kind != llm::QuantKind::F16;
  layout.tileParked = dim > 128 ? dim / 16 : layout.rowBlocks == 1 ? 0 : dim == 128 ? (made ? 4 : 2) : dim > 96 ? 4 : 0;
  layout.sharedBytes = std::max(layout.sharedBytes, tileBytes(shape, layout));
  layout.threads = 32 * layout.tileWarps;
}

/// A lane's registers, of 255: sums dim / 2, queries dim / 4 and scores 8 a page, all for each block of 16 rows. Two
/// blocks halve what is read from shared memory, which limits one.
static void chooseTile(const CudaAttendShape &shape, int64_t room, CudaAttendLayout &layout) {
  const int64_t dim = shape.headDim;
  layout.tileWarps = 4;
  layout.rowBlocks = dim <= 128 ? 2 : 1;
  layout.scorePages = dim <= 64 || dim > 128 ? 2 : 1;
  layout.tilePages = dim <= 128 ? 4 : 2;
  complete(shape, layout);
  while (layout.tilePages > layout.scorePages && tileBytes(shape, layout) > room)
    layout.tilePages /= 2;
}

CudaAttendLayout chooseAttendLayout(const CudaAttendShape &shape, const Arch &arch) {
  CudaAttendLayout layout;
  layout.parts = shape.splits;
  int64_t room = arch.sharedBytesMax / layout.blocks;
  if (shape.splits == 0) {
    chooseTile(shape, room, layout);
    room = std::max(room, tileBytes(shape, layout));
  }
  // By pages under way, then by warps.
  static constexpr struct {
    int64_t warps, stages;
  } kRings[] = {{4, 4}, {4, 3}, {2, 4}, {2, 3}, {4, 2}, {2, 2}, {1, 3}, {1, 2}};
  for (auto ring : kRings) {
    layout.splitWarps = ring.warps, layout.stages = ring.stages;
    complete(shape, layout);
    if (splitBytes(shape, layout) <= room)
      break;
  }
  return layout;
}

/// Whether a lane's registers of `rowBlocks` blocks of 16 rows suffice beside addresses and counters, whose number is
/// what ptxas reports less the rest.
static bool registersFit(const CudaAttendShape &shape, const CudaAttendLayout &layout, int64_t rowBlocks,
                         int64_t scorePages, int64_t parked) {
  constexpr int64_t kOthers = 39, kOfMultiprocessor = 65536;
  const int64_t room = std::min<int64_t>(255, kOfMultiprocessor / (layout.blocks * layout.threads) / 8 * 8);
  return rowBlocks * (shape.headDim * 3 / 4 - 4 * parked + 8 * scorePages) + kOthers <= room;
}

static bool isLegal(const CudaAttendShape &shape, const CudaAttendLayout &layout, const Arch &arch) {
  if (layout.sharedBytes > arch.sharedBytesMax / layout.blocks ||
      !registersFit(shape, layout, 1, 1, layout.splitParked))
    return false;
  if (!layout.tileWarps)
    return true;
  constexpr int64_t kLeastLanes = 16; // that copy a page: swizzles come round after as many chunks of keys
  return layout.splitWarps <= layout.tileWarps && layout.tilePages % layout.scorePages == 0 &&
         layout.threads / layout.tilePages >= kLeastLanes &&
         registersFit(shape, layout, layout.rowBlocks, layout.scorePages, layout.tileParked);
}

/// In how many numbers two layouts of one shape differ.
static int distance(const CudaAttendLayout &a, const CudaAttendLayout &b) {
  return (a.splitWarps != b.splitWarps) + (a.stages != b.stages) + (a.blocks != b.blocks) + (a.parts != b.parts) +
         (a.tileWarps != b.tileWarps) + (a.tilePages != b.tilePages) + (a.scorePages != b.scorePages) +
         (a.rowBlocks != b.rowBlocks);
}

/// `all`, and for each value of a number a copy of each.
static void vary(std::vector<CudaAttendLayout> &all, int64_t CudaAttendLayout::*number,
                 std::initializer_list<int64_t> values) {
  std::vector<CudaAttendLayout> varied;
  for (const CudaAttendLayout &layout : all)
    for (int64_t value : values) {
      varied.push_back(layout);
      varied.back().*number = value;
    }
  all = std::move(varied);
}

std::vector<CudaAttendLayout> legalAttendLayouts(const CudaAttendShape &shape, const Arch &arch) {
  const CudaAttendLayout chosen = chooseAttendLayout(shape, arch);
  std::vector<CudaAttendLayout> all = {chosen}, legal = {chosen};
  vary(all, &CudaAttendLayout::splitWarps, {1, 2, 4, 8});
  vary(all, &CudaAttendLayout::stages, {2, 3, 4, 6});
  vary(all, &CudaAttendLayout::blocks, {1, 2, 4});
  if (chosen.tileWarps) {
    vary(all, &CudaAttendLayout::tileWarps, {2, 4, 8});
    vary(all, &CudaAttendLayout::tilePages, {1, 2, 4, 8});
    vary(all, &CudaAttendLayout::scorePages, {1, 2});
    vary(all, &CudaAttendLayout::rowBlocks, {1, 2});
  }
  for (CudaAttendLayout &layout : all) {
    layout.parts = shape.splits;
    do {
      complete(shape, layout);
      if (layout != chosen && isLegal(shape, layout, arch))
        legal.push_back(layout);
    } while ((layout.parts /= 2) >= 1);
  }
  std::stable_sort(legal.begin(), legal.end(), [&](const CudaAttendLayout &a, const CudaAttendLayout &b) {
    return distance(a, chosen) < distance(b, chosen);
  });
  return legal;
}

/// Of what mma.sync reaches: exponentials share the schedulers. FlashAttention 2, of the same form, is known to reach
/// about 350 TFLOP/s of an H100.
static constexpr double kTensorShare = 0.55;

KernelCost attendCost(const CudaAttendShape &shape, const CudaAttendLayout &layout, const Arch &arch) {
  KernelCost cost;
  const int64_t parts = std::max<int64_t>(1, layout.parts);
  cost.keyBytes = static_cast<double>(shape.kvHeads * shape.headPageBytes()) / CudaAttendShape::kPageTokens;
  cost.rowBytes =
      static_cast<double>(shape.heads * (shape.headDim + parts * (shape.headDim + (shape.splits ? 2 : 0)))) * 4;
  cost.pairFlops = static_cast<double>(4 * shape.headDim * shape.heads);
  cost.rowBlocks = static_cast<double>(shape.kvHeads * shape.headBlocks() * parts);
  // One page of each warp is in use while the others come.
  cost.blockBytes = static_cast<double>(layout.splitWarps * (layout.stages - 1) * shape.headPageBytes());
  cost.residentBlocks = static_cast<double>(layout.blocks);
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
  if (layout.tileWarps) {
    const int64_t tokens = layout.tileRows() / shape.rowHeads(), rows = tokens * shape.rowHeads();
    out << "tiles of " << tokens << " tokens x " << shape.rowHeads() << " heads against "
        << layout.tilePages * CudaAttendShape::kPageTokens << " keys a step, " << keyBytes << " bytes and "
        << 4 * dim * rows << " flops a key and tile: " << perByte(rows)
        << " flops a byte, limit tensor cores; few rows: ";
  }
  out << shape.rowHeads() << " heads of a KV head in 16 rows, " << layout.splitWarps << " warps x " << layout.stages
      << " pages of 16 keys, ";
  if (shape.splits != layout.parts)
    out << layout.parts << " of ";
  if (shape.splits)
    out << shape.splits << " splits, ";
  out << keyBytes << " bytes and " << 4 * dim * shape.rowHeads() << " flops a key: " << perByte(shape.rowHeads())
      << " flops a byte, limit memory";
  return text;
}

} // namespace llmc
