// Bytes by the types of a kernel's words; time by the slower of memory, with the bytes under way, and units.
#include "codegen/cuda/KernelCost.h"

#include "codegen/cuda/KernelText.h"
#include "codegen/cuda/RegionPrinter.h"
#include "codegen/registry/WeightLayout.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace mlir;

namespace llmc {

/// Between the two rows around it; beyond the last in proportion.
static KernelCost::Time timeAt(llvm::ArrayRef<KernelCost::Time> times, double rows) {
  if (rows >= times.back().rows)
    return {rows, times.back().us * rows / times.back().rows, times.back().limit};
  const auto *above = llvm::find_if(times, [&](const KernelCost::Time &time) { return time.rows >= rows; });
  if (above == times.begin() || above->rows == rows)
    return *above;
  const KernelCost::Time &below = above[-1];
  const double share = (rows - below.rows) / (above->rows - below.rows);
  return {rows, below.us + share * (above->us - below.us), above->limit};
}

KernelTime kernelTime(const Gpu &gpu, const KernelCost &cost, const KernelStep &step) {
  KernelTime time;
  time.bytes = cost.launchBytes + step.rows * cost.rowBytes + step.keys * cost.keyBytes;
  time.flops = step.rows * cost.rowFlops + step.pairs * cost.pairFlops;
  if (!cost.times.empty()) {
    const KernelCost::Time product = timeAt(cost.times, step.rows);
    time.us = product.us, time.limit = product.limit;
    return time;
  }
  const double blocks = std::max(1.0, step.rows * cost.rowBlocks);
  const double working = std::min(blocks, static_cast<double>(gpu.multiprocessors) * cost.residentBlocks);
  const double underWay = working * std::min(cost.blockBytes, time.bytes / blocks) / kMemoryLatencyUs;
  const double memoryUs = time.bytes > 0 ? time.bytes / std::min(gpu.memoryGBs * 1e3, underWay) : 0;
  const double computeUs = cost.tflops > 0 ? time.flops / (cost.tflops * 1e6) : 0;
  time.us = kLeastUs + std::max(memoryUs, computeUs);
  time.limit = std::max(memoryUs, computeUs) < kLeastUs ? "latency" : computeUs > memoryUs ? "compute" : "memory";
  return time;
}

/// Of a matrix one row is read (an embedding, the table of ropes); a vector is read whole.
static void addWeight(llm::WeightType weight, KernelCost &cost) {
  if (!weight.isMatrix()) {
    cost.launchBytes += static_cast<double>(weight.rows()) * 4;
    return;
  }
  std::optional<Layout> layout = fragmentLayoutFor(weight.getQuant());
  const int64_t bytes = packedBytes(layout.value_or(Layout::Plain), weight.rows(), weight.cols());
  cost.rowBytes += static_cast<double>(bytes) / static_cast<double>(weight.rows());
}

static double flopsOf(Operation &op) {
  double columns = 0;
  for (Value operand : op.getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      columns = std::max(columns, static_cast<double>(llm::cols(operand.getType())));
  // A square, a sum, two factors; a weight by exp, its bin, the sums of both.
  return columns * (isa<llm::RMSNormOp, llm::LayerNormOp, llm::RopeOp>(op) ? 4 : isa<llm::SampleOp>(op) ? 12 : 1);
}

double activationBytes(kern::FuncOp function) {
  double bytes = 0;
  auto add = [&](Type type) {
    if (isa<RankedTensorType, llm::QActType>(type))
      bytes += static_cast<double>(RegionPrinter::rowStride(type));
  };
  llvm::for_each(function.getArgumentTypes(), add);
  llvm::for_each(function.getResultTypes(), add);
  return bytes;
}

KernelCost rowsCost(kern::FuncOp function, const KernelText &text) {
  KernelCost cost;
  cost.rowBytes = activationBytes(function);
  for (Type type : function.getArgumentTypes())
    if (auto weight = dyn_cast<llm::WeightType>(type))
      addWeight(weight, cost);
    else if (auto kv = dyn_cast<llm::KvType>(type)) // it writes keys and values of its token
      cost.rowBytes += static_cast<double>(kv.layerBytes()) / static_cast<double>(kv.getPage());
  for (Operation &op : function.getBody().front().without_terminator())
    cost.rowFlops += flopsOf(op);
  cost.rowBlocks = static_cast<double>(text.grid[1].base * text.grid[2].base);
  cost.residentBlocks = static_cast<double>(std::max<int64_t>(1, 2048 / std::max<int64_t>(1, text.threads)));
  cost.blockBytes = kSmL2GBs * 1e3 * kMemoryLatencyUs; // its loads are written out one after another
  return cost;
}

std::string describeCost(const Gpu &gpu, const KernelCost &cost) {
  char text[160];
  // Rows from which on memory takes longer than the launch itself.
  const double bytes = kLeastUs * gpu.memoryGBs * 1e3 - cost.launchBytes;
  const double rows = cost.rowBytes > 0 ? std::max(1.0, bytes / cost.rowBytes) : 0;
  std::snprintf(text, sizeof(text), "%.3g KB and %.3g kFLOP a row, limit memory from %.0f rows on, below it latency",
                cost.rowBytes / 1e3, cost.rowFlops / 1e3, std::ceil(rows));
  return text;
}

} // namespace llmc
