// Scale by 1 goes away, scales multiply, a scaled embedding scales itself unless it has another reader.
// RUN: llmc-opt %s --canonicalize | FileCheck %s

!x = tensor<?x4xf32, #llm.dims<[T, 4]>>
!table = !llm.weight<[8, 4], #llm.q<f32>>
// CHECK-LABEL: @one
// CHECK-SAME: (%[[X:.*]]: tensor
func.func @one(%x: !x) -> !x {
  // CHECK-NEXT: return %[[X]]
  %y = llm.scale %x {factor = 1.0} : !x
  return %y : !x
}
// CHECK-LABEL: @twice
// CHECK-SAME: (%[[X:.*]]: tensor
func.func @twice(%x: !x) -> !x {
  // CHECK-NEXT: llm.scale %[[X]] {factor = 6.000000e+00 : f64}
  // CHECK-NEXT: return
  %a = llm.scale %x {factor = 2.0} : !x
  %b = llm.scale %a {factor = 3.0} : !x
  return %b : !x
}
// CHECK-LABEL: @embedding
func.func @embedding(%batch: !llm.batch, %table: !table) -> !x {
  // CHECK-NEXT: llm.embed %{{.*}}, %{{.*}} {scale = 6.000000e+00 : f64}
  // CHECK-NEXT: return
  %a = llm.embed %batch, %table {scale = 2.0} : (!llm.batch, !table) -> !x
  %b = llm.scale %a {factor = 3.0} : !x
  return %b : !x
}
// CHECK-LABEL: @shared
func.func @shared(%batch: !llm.batch, %table: !table) -> (!x, !x) {
  // CHECK: llm.embed
  // CHECK-NEXT: llm.scale
  %a = llm.embed %batch, %table : (!llm.batch, !table) -> !x
  %b = llm.scale %a {factor = 3.0} : !x
  return %a, %b : !x, !x
}
