// F7: the residual is added on the product's registers. Near miss: a product that something else reads too.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!n = !llm.weight<[32], #llm.q<f32>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @n : !n {sources = [#llm.source<"n", rows = 32>]}
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK-LABEL: @happens
// CHECK: kern.dispatch "linear"
// CHECK-SAME: fused = ["F7"]
// CHECK-NEXT: = llm.linear
// CHECK-NEXT: = llm.add
func.func @happens(%b: !llm.batch, %x: !x, %r: !x) -> !x {
  %w = llm.use @w : !w
  %y = llm.linear %x, %w : (!x, !w) -> !x
  %s = llm.add %r, %y : !x
  return %s : !x
}

// CHECK-LABEL: @near_miss
// CHECK: kern.dispatch "linear"
// CHECK-NOT: = llm.add
// CHECK: kern.yield
// CHECK: = llm.add
func.func @near_miss(%b: !llm.batch, %x: !x, %r: !x) -> (!x, !x) {
  %w = llm.use @w : !w
  // expected-remark @+1 {{missed F7: the product has 2 uses}}
  %y = llm.linear %x, %w : (!x, !w) -> !x
  %s = llm.add %r, %y : !x
  return %s, %y : !x, !x
}
