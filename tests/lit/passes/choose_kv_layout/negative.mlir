// A head size that no kernel takes is an error.
// RUN: not llmc-opt %s --llm-choose-kv-layout 2>&1 | FileCheck %s

// CHECK: expected a head size that is a multiple of 16, which the CPU kernels need
func.func @forward(%b: !llm.batch, %kv: !llm.kv<layers = 1, heads = 2, dim = 24, page = 1>) {
  return
}
// RUN: not llmc-opt %s --llm-choose-kv-layout=cache=fp8 2>&1 | FileCheck %s --check-prefix=CPU
// RUN: not llmc-opt %s --llm-choose-kv-layout="target=cuda cache=int4" 2>&1 | FileCheck %s --check-prefix=INT4
// RUN: not llmc-opt %s --llm-choose-kv-layout="target=cuda cache=f32" 2>&1 | FileCheck %s --check-prefix=CUDA
// CPU: error: cache type 'fp8' is for target cuda: expected auto, f32, f16 or int8
// CUDA: error: cache type 'f32' is for target cpu: expected auto, f16, bf16, int8 or fp8
// INT4: error: unknown cache type 'int4', expected auto, f32, f16, bf16, int8 or fp8
