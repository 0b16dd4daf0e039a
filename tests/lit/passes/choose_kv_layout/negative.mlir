// A head size that no kernel takes is an error.
// RUN: not llmc-opt %s --llm-choose-kv-layout 2>&1 | FileCheck %s

// CHECK: expected a head size that is a multiple of 16, which the CPU kernels need
func.func @forward(%b: !llm.batch, %kv: !llm.kv<layers = 1, heads = 2, dim = 24, page = 1>) {
  return
}
