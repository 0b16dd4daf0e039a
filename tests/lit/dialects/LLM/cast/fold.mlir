// A cast to the same type goes away; one that rounds stays.
// RUN: llmc-opt %s --canonicalize | FileCheck %s

!x = tensor<?x4xf32, #llm.dims<[T, 4]>>
!h = tensor<?x4xf16, #llm.dims<[T, 4]>>
// CHECK-LABEL: @same
// CHECK-SAME: (%[[X:.*]]: tensor
func.func @same(%x: !x) -> !x {
  // CHECK-NEXT: return %[[X]]
  %y = llm.cast %x : (!x) -> !x
  return %y : !x
}
// CHECK-LABEL: @rounds
func.func @rounds(%x: !x) -> !x {
  // CHECK-COUNT-2: llm.cast
  %h = llm.cast %x : (!x) -> !h
  %y = llm.cast %h : (!h) -> !x
  return %y : !x
}
