// F10: the embedding's scale and the first norm are applied to the row that is looked up. Near misses: unscaled rows that
// something else reads.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!n = !llm.weight<[32], #llm.q<f32>>
!i = !llm.qact<[T, 32], zero = 8>
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

// CHECK-LABEL: @with_norm
// CHECK: %[[X:.*]]:2 = kern.dispatch "norm"
// CHECK-SAME: fused = ["F10", "F1"]
// CHECK-NEXT: = llm.embed
// CHECK-NEXT: = llm.scale
// CHECK-NEXT: = llm.rmsnorm
// CHECK-NEXT: = llm.quantize
// CHECK: return %[[X]]#0, %[[X]]#1
func.func @with_norm(%b: !llm.batch) -> (!x, !i) {
  %n = llm.use @n : !n
  %w = llm.use @w : !w
  %x = llm.embed %b, %w : (!llm.batch, !w) -> !x
  %s = llm.scale %x {factor = 5.0} : !x
  %y = llm.rmsnorm %s, %n {eps = 1.0e-6} : (!x, !n) -> !x
  %i = llm.quantize %y : (!x) -> !i
  return %s, %i : !x, !i
}

// CHECK-LABEL: @norm_of_scaled_and_unscaled
// CHECK: kern.dispatch "norm"
// CHECK-NOT: fused
// CHECK: return
func.func @norm_of_scaled_and_unscaled(%b: !llm.batch) -> (!x, !x) {
  %n = llm.use @n : !n
  %w = llm.use @w : !w
  // expected-remark @+1 {{missed F10: the rows have another use than the scale}}
  %x = llm.embed %b, %w : (!llm.batch, !w) -> !x
  %s = llm.scale %x {factor = 5.0} : !x
  // expected-remark @+1 {{missed F10: the rows have another use than the scale}}
  %y = llm.rmsnorm %s, %n {eps = 1.0e-6} : (!x, !n) -> !x
  return %x, %y : !x, !x
}
