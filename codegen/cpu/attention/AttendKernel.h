// A whole attention kernel from its constants: splits the work items among workers.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "codegen/cpu/attention/AttendEmitter.h"
#include <optional>

namespace llmc {

/// Argument words of an attention kernel, by position.
struct AttendArguments {
  unsigned query = 0, cache = 1, batch = 2, result = 3, scratch = 4;
  std::optional<unsigned> sinks = {}; ///< f32 [heads], of whole contexts
};

/// Emits the body between the entry and finish(). Deterministic: a row's sums do not depend on workers or neighbours.
/// With `sink`, it takes the rows, and the result argument is not written.
void emitAttend(KernelBuilder &kernel, const AttendShape &shape, const AttendArguments &arguments,
                const AttendSink &sink = {});

} // namespace llmc
