// Recognises attention kernels among kern.funcs.
#pragma once

#include "codegen/cpu/attention/AttendKernel.h"
#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMDialect.h"
#include <optional>

namespace llmc {

struct AttendFunction {
  mlir::Operation *op = nullptr; ///< the attention
  llm::QuantizeOp quantize;      ///< of its rows, or null
  AttendShape shape;
  AttendArguments arguments;
};

/// The shape and argument words of a kern.func whose body is one attention op, or one and the quantization
/// of its rows; nothing for any other.
std::optional<AttendFunction> matchAttend(kern::FuncOp function);

} // namespace llmc
