// llm.rope with and without a table.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!table = !llm.weight<[288, 32], #llm.q<f32>>
#rope = #llm.rope<theta = 1.0e5, dim = 32, style = neox, scaling = none>
func.func @rope(%x: !x, %b: !llm.batch, %table: !table) {
  // CHECK: llm.rope %{{.*}}, %{{.*}} {head_dim = 32 : i64, rope = #llm.rope<theta = 1.000000e+05, dim = 32, style = neox, scaling = none>} : (tensor<{{.*}}>, !llm.batch) ->
  %0 = llm.rope %x, %b {rope = #rope, head_dim = 32} : (!x, !llm.batch) -> !x
  // CHECK: llm.rope %{{.*}}, %{{.*}}, %{{.*}} {head_dim = 64 : i64, rope = {{.*}}} : (tensor<{{.*}}>, !llm.batch, !llm.weight<[288, 32], #llm.q<f32>>) ->
  %1 = llm.rope %x, %b, %table {rope = #rope, head_dim = 64} : (!x, !llm.batch, !table) -> !x
  return
}
