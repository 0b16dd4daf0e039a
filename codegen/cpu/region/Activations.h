// Activation functions on f32 vectors, all through one exp.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "dialects/LLM/LLMDialect.h"

namespace llmc {

/// fn(x): silu, gelu (tanh form) or relu.
mlir::Value activation(KernelBuilder &k, llm::ActFn fn, mlir::Value x);

/// tanh(x); absolute error about 1e-7.
mlir::Value tanh(KernelBuilder &k, mlir::Value x);

} // namespace llmc
