// Constants of one CUDA attention kernel, and how its work and shared memory are laid out on an architecture.
#pragma once

#include "codegen/cuda/KernelCost.h"
#include "dialects/LLM/LLMDialect.h"
#include <cstdint>
#include <string>
#include <vector>

namespace llmc {

/// Attention of `heads` query heads over a paged cache with `kvHeads` heads of `headDim` columns. splits = 0: whole
/// contexts, normalised rows; splits > 0: that many parts of one token's context, as llm.attend_partial lays them out.
struct CudaAttendShape {
  int64_t heads = 0, kvHeads = 0, headDim = 0;
  int64_t layers = 0; ///< in a page
  int64_t window = 0; ///< keys visible behind a query, 0: all
  int64_t splits = 0;
  double scale = 1.0, softcap = 0.0;
  llm::QuantKind kind = llm::QuantKind::F16; ///< what the cache holds; products are of f16

  static constexpr int64_t kPageTokens = 16;
  static constexpr int64_t kWarpRows = 16; ///< rows of one mma.m16n8k16: query heads of a KV head (times tokens)

  int64_t group() const { return heads / kvHeads; }
  /// Blocks that read a KV head's keys, and the query heads that each of them takes.
  int64_t headBlocks() const { return (group() + kWarpRows - 1) / kWarpRows; }
  int64_t rowHeads() const { return (group() + headBlocks() - 1) / headBlocks(); }
  /// Bytes of a number in the cache; bytes with a scale for each token and head.
  int64_t elementBytes() const { return scaled() ? 1 : 2; }
  bool scaled() const { return kind == llm::QuantKind::I8 || kind == llm::QuantKind::E4M3; }
  /// K and V of one page of one head in memory, and, of codes, what they need beside that as f16.
  int64_t headPageBytes() const { return 2 * kPageTokens * (headDim * elementBytes() + (scaled() ? 4 : 0)); }
  int64_t widePageBytes() const { return scaled() ? 2 * headDim * kPageTokens * 2 : 0; }
  int64_t pageBytes() const { return layers * kvHeads * headPageBytes(); }
};

/// One kernel's blocks. Few rows (a decoded token's heads): `splitWarps` warps share the keys, each with `stages` pages
/// in its own ring. Tiles of query rows (attend only): `tileWarps` warps of 16 * rowBlocks rows each against steps of
/// `tilePages` pages, two steps in the ring; each fragment of a page serves all rows of a warp.
struct CudaAttendLayout {
  int64_t splitWarps = 0, stages = 0;
  int64_t blocks = 2;    ///< of a multiprocessor that registers and shared memory leave room for
  int64_t parts = 0;     ///< of a context that blocks have, at most CudaAttendShape::splits; others stay empty
  int64_t tileWarps = 0; ///< 0: no tiles
  int64_t tilePages = 0;
  int64_t scorePages = 0; ///< pages whose scores a warp has in registers at once
  int64_t rowBlocks = 0;
  int64_t tileParked = 0, splitParked = 0; ///< k-steps of the queries that a warp keeps in shared memory
  int64_t threads = 0, sharedBytes = 0;

  static constexpr int64_t kTileStages = 2;
  int64_t tileRows() const { return tileWarps * CudaAttendShape::kWarpRows * rowBlocks; }
  friend bool operator==(const CudaAttendLayout &, const CudaAttendLayout &) = default;
};

/// The layout with most pages under way that leaves room for a second block on a multiprocessor, or the smallest.
CudaAttendLayout chooseAttendLayout(const CudaAttendShape &shape, const Arch &arch);

/// Layouts whose shared memory and estimated registers fit: that of chooseAttendLayout() first, then those that differ
/// from it in fewer numbers before those that differ in more.
std::vector<CudaAttendLayout> legalAttendLayouts(const CudaAttendShape &shape, const Arch &arch);

/// What a launch costs: keys of all sequences once from memory, products on the tensor cores.
KernelCost attendCost(const CudaAttendShape &shape, const CudaAttendLayout &layout, const Arch &arch);

/// For people: layout, bytes and flops for each key, what limits it.
std::string describeAttend(const CudaAttendShape &shape, const CudaAttendLayout &layout);

} // namespace llmc
