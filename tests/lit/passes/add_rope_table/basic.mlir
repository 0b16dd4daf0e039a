// One table a distinct rope: ceil(600 / 256) coarse rows and 256 fine ones, as wide as the rotated part of a head.
// RUN: llmc-opt %s --llm-add-rope-table | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
#global = #llm.rope<theta = 1.0e6, dim = 16, style = neox, scaling = none>
#local = #llm.rope<theta = 1.0e4, dim = 8, style = neox, scaling = none>
// CHECK-DAG: llm.weight @rope_table : !llm.weight<[259, 16], #llm.q<f32>> {generated = #llm.rope<theta = 1.000000e+06
// CHECK-DAG: llm.weight @[[LOCAL:rope_table_.*]] : !llm.weight<[259, 8], #llm.q<f32>> {generated = #llm.rope<theta = 1.000000e+04
module attributes {llmc.max_positions = 600 : i64} {
  // CHECK: @forward
  // CHECK: llm.rope {{.*}}!llm.weight<[259, 16]
  // CHECK: llm.rope {{.*}}!llm.weight<[259, 16]
  // CHECK: llm.rope {{.*}}!llm.weight<[259, 8]
  func.func @forward(%b: !llm.batch, %x: !x) -> (!x, !x, !x) {
    %0 = llm.rope %x, %b {rope = #global, head_dim = 16} : (!x, !llm.batch) -> !x
    %1 = llm.rope %0, %b {rope = #global, head_dim = 16} : (!x, !llm.batch) -> !x
    %2 = llm.rope %x, %b {rope = #local, head_dim = 16} : (!x, !llm.batch) -> !x
    return %0, %1, %2 : !x, !x, !x
  }
}
