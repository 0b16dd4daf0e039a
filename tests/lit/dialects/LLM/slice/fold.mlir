// A slice of everything is its input; a slice of a slice is one slice.
// RUN: llmc-opt %s --canonicalize | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!half = tensor<?x32xf32, #llm.dims<[T, 32]>>
!part = tensor<?x8xf32, #llm.dims<[T, 8]>>
// CHECK-LABEL: @whole
// CHECK-SAME: (%[[X:.*]]: tensor
func.func @whole(%x: !x) -> !x {
  // CHECK-NEXT: return %[[X]]
  %y = llm.slice %x {offset = 0, size = 64} : (!x) -> !x
  return %y : !x
}
// CHECK-LABEL: @twice
// CHECK-SAME: (%[[X:.*]]: tensor
func.func @twice(%x: !x) -> !part {
  // CHECK-NEXT: %[[Y:.*]] = llm.slice %[[X]] {offset = 36 : i64, size = 8 : i64}
  // CHECK-NEXT: return %[[Y]]
  %half = llm.slice %x {offset = 32, size = 32} : (!x) -> !half
  %part = llm.slice %half {offset = 4, size = 8} : (!half) -> !part
  return %part : !part
}
