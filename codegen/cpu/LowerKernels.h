// The pass kern-lower-cpu: what the kernel families make of kern.funcs, for a person or a lit test to read.
#pragma once

namespace llmc {

/// Makes --kern-lower-cpu known to llmc-opt.
void registerLowerKernels();

} // namespace llmc
