// The packed layout of a weight type of the IR, the shape of a product with it, and what databases know kernels by.
#pragma once

#include "codegen/registry/AttentionKey.h"
#include "codegen/registry/MatmulConfig.h"
#include "codegen/registry/PackedLayout.h"
#include "codegen/registry/TuningDatabase.h"
#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMDialect.h"
#include "dialects/LLM/LLMTypes.h"

namespace llmc {

inline WeightKind weightKind(llm::QuantKind kind) {
  switch (kind) {
  case llm::QuantKind::F32:
    return WeightKind::F32;
  case llm::QuantKind::F16:
    return WeightKind::F16;
  case llm::QuantKind::BF16:
    return WeightKind::BF16;
  case llm::QuantKind::I8:
    return WeightKind::I8;
  case llm::QuantKind::I4:
    return WeightKind::I4;
  case llm::QuantKind::I5:
    return WeightKind::I5;
  case llm::QuantKind::I6:
    return WeightKind::I6;
  case llm::QuantKind::E4M3:
    return WeightKind::E4M3;
  }
  return WeightKind::F32;
}

/// Layout of a matrix stored as `quant` on the CPU, where every 32 columns have a scale: wider groups repeat theirs.
inline Layout layoutFor(llm::QuantAttr quant) {
  return layoutFor(weightKind(quant.getKind()), quant.getSymmetric(), quant.getByteScales());
}

/// Fragment layout (CUDA) of a matrix stored as `quant`, if there is one.
inline std::optional<Layout> fragmentLayoutFor(llm::QuantAttr quant) {
  return fragmentLayoutFor(weightKind(quant.getKind()), quant.getSymmetric(), quant.getByteScales(), quant.getGroup());
}

/// What configurations of a product on the CPU depend on, for one row at most.
inline MatmulShape productShape(llm::LinearOp linear) {
  llm::WeightType weight = linear.getW().getType();
  MatmulShape shape;
  shape.n = weight.rows();
  shape.k = weight.cols();
  shape.layout = layoutFor(weight.getQuant());
  shape.act = mlir::isa<llm::QActType>(linear.getX().getType()) ? ActKind::Int8 : ActKind::F32;
  shape.bf16Products = linear.getBf16Products();
  return shape;
}

/// What a kernel computes on CUDA, if it has exactly one product and that a fragment layout.
inline std::optional<CudaProduct> cudaProductOf(kern::FuncOp kernel) {
  auto linears = llvm::to_vector(kernel.getBody().getOps<llm::LinearOp>());
  if (linears.size() != 1 || kernel.getResultTypes().empty())
    return std::nullopt;
  llm::WeightType weight = linears.front().getW().getType();
  std::optional<Layout> layout = fragmentLayoutFor(weight.getQuant());
  if (!layout)
    return std::nullopt;
  const bool glu = llm::cols(kernel.getResultTypes().front()) * 2 == weight.rows();
  return CudaProduct{weight.rows(), weight.cols(), *layout, glu ? 2 : 1};
}

/// What a kernel attends on CUDA, if that is what it begins with.
inline std::optional<CudaAttention> cudaAttentionOf(kern::FuncOp kernel) {
  auto of = [](auto op, int64_t splits) {
    auto kv = mlir::cast<llm::KvType>(op.getKv().getType());
    return CudaAttention{op.getHeads(), kv.getHeads(),  kv.getDim(),        llm::stringifyQuantKind(kv.getKind()).str(),
                         splits,        op.getWindow(), op.getSoftcap() > 0};
  };
  mlir::Operation &first = kernel.getBody().front().front();
  if (auto attend = mlir::dyn_cast<llm::AttendOp>(first))
    return of(attend, 0);
  if (auto partial = mlir::dyn_cast<llm::AttendPartialOp>(first))
    return of(partial, partial.getSplits());
  return std::nullopt;
}

} // namespace llmc
