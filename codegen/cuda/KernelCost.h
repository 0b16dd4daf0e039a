// What a kernel moves and computes in a step, and how long that takes by a model of what limits it.
#pragma once

#include "codegen/cuda/Gpu.h"
#include "dialects/Kern/KernDialect.h"
#include <string>
#include <vector>

namespace llmc {

struct KernelText;

/// One launch's share of a step: rows that it makes (T or S), keys of all sequences' contexts, and how often a row
/// meets a key.
struct KernelStep {
  double rows = 1, keys = 0, pairs = 0;
};

/// What a launch of one variant costs, linear in the step. Bytes are those to and from memory: what many blocks read
/// comes from L2 after the first.
struct KernelCost {
  double launchBytes = 0, rowBytes = 0, keyBytes = 0; ///< whatever the step (weights), a row, a key
  double rowFlops = 0, pairFlops = 0;
  double rowBlocks = 1;      ///< blocks that share a row (attention: a token)
  double blockBytes = 0;     ///< that a block has under way at a time
  double residentBlocks = 1; ///< of a multiprocessor
  double window = 0;         ///< keys that a token meets at most; 0: all
  double tflops = 0;         ///< of the units that compute; 0: flops cost nothing beside bytes
  /// Products: rows and microseconds by ProductConfig's own model, which is not linear. Ascending; else empty.
  struct Time {
    double rows, us;
    const char *limit; ///< "memory", "L2", "tensor cores"
  };
  std::vector<Time> times = {};
};

/// A prediction, for the architecture's usual GPU.
struct KernelTime {
  double bytes = 0, flops = 0, us = 0;
  const char *limit = ""; ///< "memory", "compute", "latency", or a product's
};

/// From the end of the kernel before to the end of one that has next to nothing to do: weights that are not there yet,
/// a sum over the block, a store. An estimate of launches from a graph that overlap, which nobody has measured.
inline constexpr double kLeastUs = 2.0;

KernelTime kernelTime(const Gpu &gpu, const KernelCost &cost, const KernelStep &step);

/// Bytes of a row of operands and results; weights and the cache not counted.
double activationBytes(kern::FuncOp function);

/// Of families that read their operands' rows once and write their results': by types of `function` and by its launch.
KernelCost rowsCost(kern::FuncOp function, const KernelText &text);

/// "28.7 KB and 12.3 kFLOP a row, limit memory from 210 rows on, below that latency".
std::string describeCost(const Gpu &gpu, const KernelCost &cost);

} // namespace llmc
