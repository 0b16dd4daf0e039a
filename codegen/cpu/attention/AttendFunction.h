// Recognises attention kernels among kern.funcs.
#pragma once

#include "codegen/cpu/attention/AttendKernel.h"
#include "dialects/Kern/KernDialect.h"
#include <optional>

namespace llmc {

struct AttendFunction {
  AttendShape shape;
  AttendArguments arguments;
};

/// The shape and argument words of a kern.func whose body is one attention op; nothing for any other.
std::optional<AttendFunction> matchAttend(kern::FuncOp function);

} // namespace llmc
