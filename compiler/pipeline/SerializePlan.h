// plan dialect -> PLAN section.
#pragma once

#include "compiler/engine/WeightPacker.h"
#include "compiler/pipeline/CompileKernels.h"
#include "dialects/Plan/PlanDialect.h"

namespace llmc {

/// Sections that the plan points at.
struct PlanSections {
  uint32_t weights = 0;
  std::vector<uint32_t> code; ///< by level
};

/// The flatbuffer of engine.fbs. Errors: EN_TOO_LARGE when it passes the limit of the reader.
rt::Result<std::string> serializePlan(plan::EngineOp engine, mlir::ModuleOp module,
                                      const std::vector<PackedWeight> &places, const CompiledKernels &kernels,
                                      const PlanSections &sections);

} // namespace llmc
