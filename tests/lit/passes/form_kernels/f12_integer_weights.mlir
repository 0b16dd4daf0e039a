// F12: a product over integer weights expands them itself, with float and with int8 rows. Near miss: float weights, where nothing is to be
// expanded; f12_refused.mlir has the match that a scheme refuses.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!q = !llm.qact<[T, 32], zero = 0>
!i = !llm.weight<[32, 32], #llm.q<i4, 32, asym>>
!w = !llm.weight<[32, 32], #llm.q<bf16>>
llm.weight @i : !i {sources = [#llm.source<"i", rows = 32>]}
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK-LABEL: @happens
// CHECK: kern.dispatch "linear" (%{{.*}} = %arg1
// CHECK-SAME: fused = ["F12"]
// CHECK: kern.dispatch "linear" (%{{.*}} = %arg2
// CHECK-SAME: fused = ["F12"]
func.func @happens(%b: !llm.batch, %x: !x, %q: !q) -> (!x, !x) {
  %w = llm.use @i : !i
  %y = llm.linear %x, %w : (!x, !i) -> !x
  %z = llm.linear %q, %w : (!q, !i) -> !x
  return %y, %z : !x, !x
}

// CHECK-LABEL: @near_miss
// CHECK: kern.dispatch "linear"
// CHECK-NOT: F12
// CHECK: kern.yield
func.func @near_miss(%b: !llm.batch, %x: !x) -> !x {
  %w = llm.use @w : !w
  %y = llm.linear %x, %w : (!x, !w) -> !x
  return %y : !x
}
