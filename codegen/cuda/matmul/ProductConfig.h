// Which form and sizes a matrix product on a GPU gets, from a model of what limits it: memory, L2, tensor cores.
#pragma once

#include "codegen/cuda/KernelCost.h"
#include "codegen/registry/PackedLayout.h"
#include "llvm/ADT/ArrayRef.h"
#include <string>
#include <vector>

namespace llmc {

/// y[M, N] = x[M, K] * w[N, K]^T with bf16 x (e4m3 x for e4m3 weights), M <= mMax (0: any M). `unitPanels`: panels of
/// 16 rows of w that one element of the result needs together (2: interleaved gate and up).
struct ProductShape {
  int64_t n = 0, k = 0;
  Layout layout = Layout::BF16M16K16;
  int64_t mMax = 8;
  int64_t unitPanels = 1;

  int64_t panels() const { return panelCount(layout, n); }
  /// Superblocks of a panel.
  int64_t blocks() const { return paddedCols(layout, k) / superblockCols(layout); }
  int64_t weightBytes() const { return packedBytes(layout, n, k); }
  /// 8-bit floats on both sides. The kernels count a pair of them as one column.
  bool e4m3() const { return layout == Layout::E4M3M16K32; }
  /// Bytes from one row of x to the next.
  int64_t xStride() const;
};

/// Stream: weights go straight to registers, the block's warps share K, and several blocks may. Tile: tiles of x and
/// weights pass through shared memory. Warpgroup: the same with Hopper's products of whole warpgroups, by blocks that
/// take tiles in turn.
enum class ProductForm : uint8_t { Stream, Tile, Warpgroup };

/// Sizes of one variant; the constants of codegen/cuda/device/product.cuh have the same names.
struct ProductConfig {
  ProductForm form = ProductForm::Stream;
  int64_t kWarps = 1, rowWarps = 1, tokenWarps = 1;
  int64_t splits = 1;                  ///< blocks that share K of the same rows
  int64_t cluster = 1;                 ///< warpgroups: blocks, neighbours in tokens, that share weights
  int64_t copyWarps = 0;               ///< warps that only copy
  int64_t panels = 1, tiles = 1;       ///< of a warp: 16 rows, 8 tokens each
  int64_t held = 0;                    ///< stream: superblocks of a panel in registers
  int64_t stages = 2, stageBlocks = 1; ///< ring: stages, superblocks along K in one
  int64_t blocksPerSm = 1;             ///< blocks that fit a multiprocessor
  friend bool operator==(const ProductConfig &, const ProductConfig &) = default;

  bool streams() const { return form == ProductForm::Stream; }
  int64_t threads() const { return (kWarps * rowWarps * tokenWarps + copyWarps) * 32; }
  int64_t blockPanels() const { return panels * rowWarps; }
  int64_t blockTokens() const { return tiles * tokenWarps * 8; }
};

/// What one launch for M tokens moves and computes, and what it cannot be faster than on the architecture's usual GPU.
struct ProductCost {
  double weightBytes = 0; ///< read from memory
  double xBytes = 0;      ///< read from L2, by all blocks together
  double flops = 0;       ///< of M tokens and N rows, without padding
  double inFlight = 0;    ///< bytes of weights on their way to one multiprocessor
  double memoryUs = 0, l2Us = 0, computeUs = 0;
  double us() const;
  const char *limit() const; ///< "memory", "L2", "tensor cores"
};

/// Warpgroups: registers of a thread that copies and of one that multiplies, once they have shared them out.
inline constexpr int64_t kCopyRegisters = 56, kProductRegisters = 224;
/// Warpgroups: tokens whose sums lie in shared memory at once.
inline constexpr int64_t kSumTokens = 64;

/// M that describeProduct() gives numbers for: the class itself, 2048 for any.
int64_t usualTokens(int64_t mMax);

/// Dynamic shared memory of a block: the ring, later the sums; of warpgroups both, and the ring's barriers.
int64_t productSharedBytes(const ProductShape &shape, const ProductConfig &config);
/// Registers of a thread (that multiplies), from above: variants that stay below their limit do not spill.
int64_t productRegisters(const Arch &arch, const ProductShape &shape, const ProductConfig &config);
ProductCost productCost(const Arch &arch, const ProductShape &shape, const ProductConfig &config, int64_t tokens);

/// Of splits: what the blocks of a split leave for the last one of their rows, in the module's own memory.
int64_t productScratchBytes(const ProductShape &shape, const ProductConfig &config);

/// The configurations that fit, in the order of preference where the model finds them equal. Classes up to 32 stream.
/// `warpgroups`: those of Hopper's form, if there are any.
std::vector<ProductConfig> legalProducts(const Arch &arch, const ProductShape &shape, bool warpgroups = false);
/// The fastest of `configs` by productCost(). Requires: there is one.
ProductConfig fastestProduct(const Arch &arch, const ProductShape &shape, llvm::ArrayRef<ProductConfig> configs);
/// The fastest of legalProducts().
ProductConfig chooseProduct(const Arch &arch, const ProductShape &shape, bool warpgroups = false);

/// productCost() at the rows that a step of this class can have, beside `rowBytes` a row of operands and results.
KernelCost productKernelCost(const Arch &arch, const ProductShape &shape, const ProductConfig &config, double rowBytes);

/// "stream, 16 warps along K, 2 panels x 8 tokens, 4 superblocks held (72 KB in flight a SM); 9.4 MB, 0.27 GFLOP, 2.8
/// us (memory)".
std::string describeProduct(const Arch &arch, const ProductShape &shape, const ProductConfig &config);

} // namespace llmc
