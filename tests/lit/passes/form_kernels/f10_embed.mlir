// F10: the embedding's scale is applied to the row that is looked up. Near miss: unscaled rows that something else reads.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!n = !llm.weight<[32], #llm.q<f32>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @n : !n {sources = [#llm.source<"n", rows = 32>]}
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK-LABEL: @happens
// CHECK: kern.dispatch "embed"
// CHECK-SAME: fused = ["F10"]
// CHECK-NEXT: = llm.embed
// CHECK-NEXT: = llm.scale
func.func @happens(%b: !llm.batch) -> !x {
  %w = llm.use @w : !w
  %x = llm.embed %b, %w : (!llm.batch, !w) -> !x
  %s = llm.scale %x {factor = 5.0} : !x
  return %s : !x
}

// CHECK-LABEL: @near_miss
// CHECK: kern.dispatch "embed"
// CHECK-NOT: F10
// CHECK: kern.yield
// CHECK: = llm.scale
func.func @near_miss(%b: !llm.batch) -> (!x, !x) {
  %w = llm.use @w : !w
  // expected-remark @+1 {{missed F10: the rows have another use than the scale}}
  %x = llm.embed %b, %w : (!llm.batch, !w) -> !x
  %s = llm.scale %x {factor = 5.0} : !x
  return %s, %x : !x, !x
}
