// llm.glu of two operands and of one interleaved one.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @glu(%gate: !x, %up: !x) {
  // CHECK: llm.glu %{{.*}}, %{{.*}} {act = #llm.act_fn<gelu_tanh>} : (tensor<{{.*}}>, tensor<{{.*}}>) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
  %0 = llm.glu %gate, %up {act = #llm.act_fn<gelu_tanh>} : (!x, !x) -> !x
  // CHECK: llm.glu %{{.*}} {act = #llm.act_fn<silu>, interleave = 16 : i64} : (tensor<{{.*}}>) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  %1 = llm.glu %gate {act = #llm.act_fn<silu>, interleave = 16} : (!x) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}
