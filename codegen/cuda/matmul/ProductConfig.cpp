// The model behind each product variant: candidates and their cost.
#include "codegen/cuda/matmul/ProductConfig.h"

#include "runtime/format/kernel_abi.h"
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

namespace llmc {
namespace {

constexpr int64_t kBlockOverhead = 1024; // shared memory that the system takes a block
/// Sums to L2, an atomic there and back, sums from L2: what joining the blocks that share K takes after the last
/// weight.
constexpr double kJoinUs = 2.0;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Columns of a superblock as the kernels count them, 16 bits of x each: of e4m3 two are one.
int64_t tileCols(Layout l) { return l == Layout::E4M3M16K32 ? 16 : superblockCols(l); }

/// Superblocks that hold whole groups of 32 columns.
int64_t unitBlocks(Layout l) { return std::max<int64_t>(1, kQuantGroup / tileCols(l)); }

/// Registers a thread can have when `blocks` blocks of `threads` share a multiprocessor: its four quarters have 512
/// rows of 32 registers each, and their warps get multiples of 8.
int64_t registerLimit(int64_t threads, int64_t blocks) {
  return std::min<int64_t>(255, 512 / ceilDiv(threads / 32 * blocks, 4) / 8 * 8);
}

/// Whether tensor cores take e4m3; before, it becomes f16 on its way to them.
bool multipliesE4M3(const Arch &arch) { return arch.major * 10 + arch.minor >= 89; }

/// Registers a thread of this configuration can have: of warpgroups, those that multiply.
int64_t registerLimit(const ProductConfig &config) {
  return config.form == ProductForm::Warpgroup ? kProductRegisters
                                               : registerLimit(config.threads(), config.blocksPerSm);
}

/// Most blocks that fit, or none: sets blocksPerSm.
bool fit(const Gpu &gpu, const Arch &arch, const ProductShape &shape, ProductConfig &config) {
  int64_t shared = productSharedBytes(shape, config);
  if (shared > arch.sharedBytesMax || config.threads() > 1024)
    return false;
  // What blocks leave for one another is to stay in L2: beside the weights that stream through it, a quarter.
  if (productScratchBytes(shape, config) * 4 > gpu.l2Megabytes << 20)
    return false;
  int64_t blocks = config.form == ProductForm::Warpgroup ? 1 : 4; // registers of one block are shared out
  int64_t most = std::min({gpu.threads / config.threads(), gpu.sharedBytes / (shared + kBlockOverhead), blocks});
  int64_t needed = productRegisters(arch, shape, config);
  for (config.blocksPerSm = most; config.blocksPerSm > 0; --config.blocksPerSm)
    if (needed <= registerLimit(config))
      return true;
  return false;
}

/// Registers of a superblock: a lane's codes, and its rows' scales and mins, which four lanes share.
int64_t heldRegisters(Layout l) { return scalesOffset(l) / 128 + (superblockBytes(l) - scalesOffset(l)) / 32; }

/// Instructions of a stream's loop body, about: what its compilation takes grows with them.
int64_t streamInstructions(const ProductShape &shape, const ProductConfig &config) {
  Layout l = shape.layout;
  int64_t unpack = l == Layout::F16M16K16 ? 64 : superblockGroups(l) == 0 ? 4 : 32;
  if (isQuantized(l))
    unpack += (upperLines(l) > 0 ? 16 : 0) + (quantFormat(l).byteScales ? 16 : 0);
  int64_t multiply = shape.e4m3()                                            ? 20
                     : l == Layout::BF16M16K16                               ? 2
                     : l == Layout::F16M16K16                                ? 4
                     : isAsymmetric(l) || quantFormat(l).group < kQuantGroup ? 10
                                                                             : 6;
  // 8-bit superblocks go two a turn of a loop, as groups of 4-bit ones do.
  int64_t turn = isEightBit(l) && config.stageBlocks % 2 == 0 ? 2 : unitBlocks(l),
          units = config.panels * config.held / turn;
  int64_t tail = shape.blocks() % config.held != 0 ? units * 16 : 0;
  return units * (unpack + config.tiles * multiply) + tail;
}
constexpr int64_t kMostInstructions = 450;

/// Blocks that may share K: as long as each of their warps has a step.
void addSplits(const ProductShape &shape, const ProductConfig &config, std::vector<ProductConfig> &all) {
  all.push_back(config);
  for (int64_t splits : {2, 4, 8})
    if (splits * config.kWarps <= ceilDiv(shape.blocks(), config.streams() ? config.held : config.stageBlocks)) {
      all.push_back(config);
      all.back().splits = splits;
    }
}

std::vector<ProductConfig> streamCandidates(const ProductShape &shape) {
  std::vector<ProductConfig> all;
  ProductConfig config;
  config.tiles = ceilDiv(shape.mMax, 8);
  // x: 64 columns a stage, or a superblock of 128; fewer stages the larger they are.
  int64_t unit = unitBlocks(shape.layout), wide = std::max<int64_t>(unit, 64 / tileCols(shape.layout));
  config.stages = config.tiles == 1 ? 4 : config.tiles == 2 ? 3 : 2;
  if (tileCols(shape.layout) > 64)
    config.stages = config.tiles == 1 ? 3 : 2;
  for (config.kWarps = 4; config.kWarps <= 16; config.kWarps += 2)
    for (config.panels = shape.unitPanels; config.panels <= 4; config.panels *= 2)
      for (config.held = unit; config.held <= 8 * unit; config.held *= 2) {
        config.stageBlocks = std::min(config.held, wide);
        if (streamInstructions(shape, config) <= kMostInstructions)
          addSplits(shape, config, all);
      }
  return all;
}

/// Blocks may share K where one has all tokens of the class; then a longer ring keeps more weights on their way, too.
std::vector<ProductConfig> tileCandidates(const ProductShape &shape) {
  struct Warps {
    int64_t rowWarps, tokenWarps, panels, tiles;
  };
  std::vector<ProductConfig> all;
  for (Warps warps : {Warps{4, 2, 2, 8}, {2, 2, 2, 8}, {4, 1, 2, 8}, {2, 4, 2, 4}, {2, 2, 2, 4}, {2, 2, 1, 4}})
    for (int64_t stages : {8, 6, 4, 3, 2}) {
      if (stages > 4 && shape.mMax != 64)
        continue;
      ProductConfig config;
      config.form = ProductForm::Tile;
      config.rowWarps = warps.rowWarps, config.tokenWarps = warps.tokenWarps;
      config.panels = warps.panels, config.tiles = warps.tiles;
      config.stages = stages;
      config.stageBlocks = std::max<int64_t>(1, 64 / tileCols(shape.layout));
      if (config.blockPanels() % shape.unitPanels != 0)
        continue;
      if (shape.mMax == 64 && config.blockTokens() == 64)
        addSplits(shape, config, all);
      else
        all.push_back(config);
    }
  return all;
}

/// Two warpgroups of 64 or 128 rows each and one that copies, 4 stages of 64 columns, alone or with a neighbour. Groups
/// of 128 become bf16 on their way: sums of each group would be as many registers again as the sums.
std::vector<ProductConfig> warpgroupCandidates(const ProductShape &shape) {
  std::vector<ProductConfig> all;
  if (isQuantized(shape.layout) && shape.layout != Layout::Q4M16K128Asym)
    return all;
  for (auto [panels, tokens] : {std::pair<int64_t, int64_t>{2, 128}, {1, 256}, {1, 128}})
    for (int64_t cluster : {1, 2}) {
      ProductConfig config;
      config.form = ProductForm::Warpgroup;
      config.rowWarps = 8, config.copyWarps = 4;
      config.panels = panels, config.tiles = tokens / 8;
      config.cluster = cluster;
      config.stages = 4;
      config.stageBlocks = std::max<int64_t>(1, 64 / tileCols(shape.layout));
      all.push_back(config);
    }
  return all;
}

std::vector<ProductConfig> candidatesFor(const Arch &arch, const ProductShape &shape, bool warpgroups) {
  if (shape.mMax != 0 && shape.mMax <= 32)
    return streamCandidates(shape);
  std::vector<ProductConfig> all = tileCandidates(shape);
  if (!arch.wgmma || (shape.mMax != 0 && shape.mMax < 128))
    return all;
  std::vector<ProductConfig> hopper = warpgroupCandidates(shape);
  if (warpgroups && !hopper.empty())
    return hopper;
  llvm::append_range(all, hopper);
  return all;
}

/// Time that the tensor cores of one multiprocessor wait for shared memory, at 128 bytes a clock: a step of 16 columns
/// of a warp reads its panels' fragments and its tokens, and computes panels * tiles products of 4096 flops.
double tileEfficiency(const Gpu &gpu, const ProductShape &shape, const ProductConfig &config) {
  double fragments =
      static_cast<double>(superblockBytes(shape.layout)) * 16 / static_cast<double>(tileCols(shape.layout));
  double bytes = static_cast<double>(config.panels) * fragments + static_cast<double>(config.tiles) * 8 * 32;
  double flopsPerClock = gpu.bf16Tflops * 1e12 / static_cast<double>(gpu.multiprocessors) / 1.7e9;
  double computing = static_cast<double>(config.panels * config.tiles) * 4096 / flopsPerClock;
  return std::min(1.0, computing / (bytes / 128));
}

} // namespace

int64_t ProductShape::xStride() const {
  auto columns = static_cast<uint64_t>(k);
  return static_cast<int64_t>(rt::rowStrideBytes(e4m3() ? rt::e4m3RowBytes(columns) : columns * 2));
}

double ProductCost::us() const { return std::max({memoryUs, l2Us, computeUs}); }

const char *ProductCost::limit() const { return us() == memoryUs ? "memory" : us() == l2Us ? "L2" : "tensor cores"; }

int64_t usualTokens(int64_t mMax) { return mMax == 0 ? 2048 : mMax; }

int64_t productSharedBytes(const ProductShape &shape, const ProductConfig &config) {
  bool warpgroups = config.form == ProductForm::Warpgroup;
  int64_t cols = warpgroups ? 64 : config.stageBlocks * tileCols(shape.layout), pad = warpgroups ? 0 : 16;
  int64_t x = config.blockTokens() * (cols * 2 + pad);
  int64_t weights = config.streams() ? 0 : config.blockPanels() * config.stageBlocks * superblockBytes(shape.layout);
  if (warpgroups) // of a superblock of 128 columns a stage has one run of codes; tiles of x start on 1024 bytes
    weights = roundUpTo(isQuantized(shape.layout) ? config.blockPanels() * (kFragmentBytes + 64) : weights, 1024);
  int64_t ring = config.kWarps * config.stages * (x + weights);
  if (warpgroups) // of each warpgroup 64 rows at a time, and 4 floats more a token
    return ring + kSumTokens * (64 + 4) * (config.rowWarps / 4) * 4 + config.stages * 16;
  int64_t sums = config.kWarps * config.blockTokens() * (config.blockPanels() * 16 + 4) * 4;
  return std::max(ring, sums);
}

int64_t productScratchBytes(const ProductShape &shape, const ProductConfig &config) {
  const int64_t rowBlocks = ceilDiv(shape.panels(), config.blockPanels());
  const int64_t sums = config.splits * config.blockTokens() * config.blockPanels() * 16;
  return config.splits > 1 ? rowBlocks * (sums + 1) * 4 : 0;
}

/// Sums, sums of a group before they are scaled, superblocks held, x of one step; what else the compiler keeps was
/// fitted to its output on all architectures (tests/unit/codegen/cuda/matmul holds that nothing spills).
int64_t productRegisters(const Arch &arch, const ProductShape &shape, const ProductConfig &config) {
  if (config.form == ProductForm::Warpgroup)
    return config.panels * config.tiles * 4 + (isQuantized(shape.layout) && !shape.e4m3() ? 96
                                               : shape.layout == Layout::F16M16K16        ? 112 // two fragments a step
                                                                                          : 80);
  bool grouped = isQuantized(shape.layout), asymmetric = isAsymmetric(shape.layout);
  int64_t base = shape.layout == Layout::F16M16K16 ? 72 : asymmetric ? 48 : 56;
  if (grouped && quantFormat(shape.layout).group < kQuantGroup) // two scales a row at a time
    base += 8;
  if (arch.major >= 10) // another compiler makes this code
    base += 32;
  int64_t held = config.streams() ? config.held : unitBlocks(shape.layout);
  if (shape.e4m3()) // scales of the epilogue; before sm_89 operands made f16
    base += multipliesE4M3(arch) ? 16 : 24;
  return base + config.panels * held * heldRegisters(shape.layout) * (config.streams() ? 1 : 0) +
         config.panels * config.tiles * 4 * (grouped ? 2 : 1) + config.tiles * (asymmetric ? 6 : 4);
}

ProductCost productCost(const Arch &arch, const ProductShape &shape, const ProductConfig &config, int64_t tokens) {
  const Gpu &gpu = gpuOf(arch);
  auto sms = static_cast<double>(gpu.multiprocessors), m = static_cast<double>(tokens);
  int64_t rowBlocks = ceilDiv(shape.panels(), config.blockPanels());
  // A cluster is whole, with tokens or without.
  int64_t tokenBlocks = config.streams() ? 1 : roundUpTo(ceilDiv(tokens, config.blockTokens()), config.cluster);
  auto blocks = static_cast<double>(rowBlocks * tokenBlocks * config.splits);
  ProductCost cost;
  cost.weightBytes = static_cast<double>(shape.weightBytes());
  cost.xBytes = static_cast<double>(rowBlocks) * m * static_cast<double>(shape.k) * (shape.e4m3() ? 1 : 2);
  cost.flops = 2 * m * static_cast<double>(shape.n) * static_cast<double>(shape.k);

  // Weights on their way: what the blocks at work have asked for, a panel's bytes at most.
  double stage = static_cast<double>(config.blockPanels() * superblockBytes(shape.layout));
  double asked = config.streams() ? stage * static_cast<double>(config.held * config.kWarps)
                                  : stage * static_cast<double>(config.stageBlocks * (config.stages - 1));
  double panels = static_cast<double>(config.blockPanels() * panelBytes(shape.layout, shape.k)) /
                  static_cast<double>(config.splits);
  double resident = std::min(static_cast<double>(config.blocksPerSm), std::ceil(blocks / sms));
  cost.inFlight = std::min(asked, panels) * resident;
  double busy = std::min(blocks, sms);
  double rate =
      std::min(gpu.memoryGBs * 1e3, std::min(asked, panels) * std::min(blocks, sms * resident) / kMemoryLatencyUs);
  // The multiprocessor with the most blocks decides.
  double share = std::ceil(blocks / busy) * busy / blocks;
  // Warps that share K in turn: the one with the most steps decides.
  int64_t steps = ceilDiv(shape.blocks(), config.streams() ? config.held : config.stageBlocks);
  int64_t warps = config.kWarps * config.splits;
  double turns = static_cast<double>(ceilDiv(steps, warps) * warps) / static_cast<double>(steps);
  cost.memoryUs = cost.weightBytes / rate * (config.streams() ? std::max(share, turns) : 1) + kMemoryLatencyUs;
  // Sums of M tokens go to L2 and come back, once a split.
  if (config.splits > 1)
    cost.memoryUs += kJoinUs;
  double join = config.splits > 1 ? 2 * m * static_cast<double>(shape.panels() * 16 * 4 * config.splits) : 0;
  // L2 gives a cluster its weights once; what a multiprocessor takes in is the same with and without.
  const double taken = cost.xBytes + cost.weightBytes * static_cast<double>(tokenBlocks) + join;
  const double given =
      cost.xBytes + cost.weightBytes * static_cast<double>(ceilDiv(tokenBlocks, config.cluster)) + join;
  cost.l2Us = std::max(given / (gpu.l2GBs * 1e3), taken / blocks * std::ceil(blocks / busy) / (kSmL2GBs * 1e3));
  double padded = blocks * static_cast<double>(config.blockPanels() * 16 * config.blockTokens() * 2) *
                  static_cast<double>(shape.k) / static_cast<double>(config.splits);
  // Two products for each step of f16 weights; of e4m3 twice the columns a product, where there is one.
  double halves = shape.layout == Layout::F16M16K16 ? 2 : shape.e4m3() && multipliesE4M3(arch) ? 0.5 : 1;
  double tflops =
      config.form == ProductForm::Warpgroup ? kWarpgroupTflops : gpu.bf16Tflops * tileEfficiency(gpu, shape, config);
  cost.computeUs = padded * halves * share * (sms / busy) / (tflops * 1e6);
  return cost;
}

std::vector<ProductConfig> legalProducts(const Arch &arch, const ProductShape &shape, bool warpgroups) {
  const Gpu &gpu = gpuOf(arch);
  std::vector<ProductConfig> legal;
  for (ProductConfig config : candidatesFor(arch, shape, warpgroups))
    if (fit(gpu, arch, shape, config))
      legal.push_back(config);
  return legal;
}

ProductConfig fastestProduct(const Arch &arch, const ProductShape &shape, llvm::ArrayRef<ProductConfig> configs) {
  ProductConfig best;
  double bestUs = 0;
  for (const ProductConfig &config : configs) {
    // Ties go to what was listed first, unless the other is clearly better. Any M: short and long prompts count alike.
    double us = 1;
    for (int64_t tokens : shape.mMax == 0     ? std::vector<int64_t>{1024, 2048, 4096}
                          : shape.mMax == 512 ? std::vector<int64_t>{128, 256, 512}
                                              : std::vector<int64_t>{shape.mMax}) {
      ProductCost cost = productCost(arch, shape, config, tokens);
      us *= cost.us() + 0.02 * (cost.memoryUs + cost.l2Us + cost.computeUs);
    }
    if (bestUs == 0 || us < bestUs * 0.999)
      best = config, bestUs = us;
  }
  return best;
}

ProductConfig chooseProduct(const Arch &arch, const ProductShape &shape, bool warpgroups) {
  return fastestProduct(arch, shape, legalProducts(arch, shape, warpgroups));
}

KernelCost productKernelCost(const Arch &arch, const ProductShape &shape, const ProductConfig &config,
                             double rowBytes) {
  KernelCost cost;
  cost.launchBytes = static_cast<double>(shape.weightBytes());
  cost.rowBytes = rowBytes;
  cost.rowFlops = 2 * static_cast<double>(shape.n) * static_cast<double>(shape.k);
  for (int64_t rows = 1; rows <= (shape.mMax == 0 ? 8192 : shape.mMax); rows *= 2) {
    ProductCost product = productCost(arch, shape, config, rows);
    cost.times.push_back({static_cast<double>(rows), product.us(), product.limit()});
  }
  return cost;
}

std::string describeProduct(const Arch &arch, const ProductShape &shape, const ProductConfig &config) {
  int64_t tokens = usualTokens(shape.mMax);
  ProductCost cost = productCost(arch, shape, config, tokens);
  char sizes[200], costs[200];
  std::string blocks = config.splits > 1 ? " of each of " + std::to_string(config.splits) + " blocks" : "";
  std::string together = config.cluster > 1  ? ", clusters of " + std::to_string(config.cluster)
                         : config.splits > 1 ? ", " + std::to_string(config.splits) + " blocks along K"
                                             : "";
  if (config.streams())
    std::snprintf(sizes, sizeof(sizes), "stream, %d warps%s along K, %d x %d rows x tokens, %d superblocks held",
                  static_cast<int>(config.kWarps), blocks.c_str(), static_cast<int>(config.panels * 16),
                  static_cast<int>(config.tiles * 8), static_cast<int>(config.held));
  else
    std::snprintf(
        sizes, sizeof(sizes), "%s %d x %d rows x tokens%s, %d warps, %d stages of %d columns",
        config.form == ProductForm::Warpgroup ? "warpgroups," : "tile", static_cast<int>(config.blockPanels() * 16),
        static_cast<int>(config.blockTokens()), together.c_str(), static_cast<int>(config.threads() / 32),
        static_cast<int>(config.stages),
        static_cast<int>(config.form == ProductForm::Warpgroup ? 64 : config.stageBlocks * tileCols(shape.layout)));
  std::snprintf(costs, sizeof(costs),
                "; M = %d: %.3g MB of weights, %.3g MB of x from L2, %.3g GFLOP, %.0f KB in flight a multiprocessor, "
                "limit %.3g us (%s)",
                static_cast<int>(tokens), cost.weightBytes / 1e6, cost.xBytes / 1e6, cost.flops / 1e9,
                cost.inFlight / 1e3, cost.us(), cost.limit());
  const char *products = !shape.e4m3()          ? ""
                         : multipliesE4M3(arch) ? "e4m3 products, "
                                                : "e4m3 as f16: no such products before sm_89, ";
  return std::string(products) + sizes + costs;
}

} // namespace llmc
