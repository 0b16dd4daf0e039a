// Cuts weights into jobs of a few MiB, in the order of the file, and finds the source rows of each packed row.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "compiler/engine/WeightPacker.h"

namespace llmc {

/// A weight with its tensors opened and checked against the spec.
struct OpenWeight {
  const WeightSpec* spec = nullptr;
  PackedWeight place;
  std::vector<std::unique_ptr<RowSource>> sources;
};

/// Opens the sources of every weight. Errors: W_SHAPE when a tensor has other rows or columns than the spec says.
rt::Result<std::vector<OpenWeight>> openWeights(const std::vector<WeightSpec>& specs,
                                                const std::vector<PackedWeight>& places, const RowSources& sources);

/// Consecutive packed rows that come from consecutive rows of one source.
struct RowRun {
  size_t source = 0;
  int64_t row = 0;    ///< in the source
  int64_t count = 0;  ///< at most `wanted`
};
RowRun rowRun(const WeightSpec& spec, int64_t packedRow, int64_t wanted);

/// Panels [first, first + count) of a weight; a Plain weight is one job. Bytes of a weight's last job include the gap
/// up to the next weight.
struct PanelJob {
  size_t weight = 0;
  int64_t first = 0, count = 0;
  uint64_t bytes = 0;
};
std::vector<PanelJob> cutJobs(const std::vector<WeightSpec>& specs, const std::vector<PackedWeight>& places);

/// Packs one job; `out` has job.bytes bytes. `seconds`: what reading, widening and packing took.
rt::Status packJob(const PanelJob& job, const OpenWeight& weight, ErrorWeight errorWeight, uint8_t* out,
                   PackSeconds& seconds);

}  // namespace llmc
