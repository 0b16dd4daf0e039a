// F3 and F4: products over joined weights carry the tag, and the interleaved one takes the gate. Near miss: a gate on two operands.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64, 32], #llm.q<f16>>
llm.weight @qk : !w {arrange = #llm.arrange<concat>, sources = [#llm.source<"q", rows = 32>, #llm.source<"k", rows = 32>]}
llm.weight @gu : !w {arrange = #llm.arrange<interleave16>, sources = [#llm.source<"g", rows = 32>, #llm.source<"u", rows = 32>]}
// CHECK-LABEL: @happens
// CHECK: kern.dispatch "linear"
// CHECK-SAME: fused = ["F3"]
// CHECK: kern.dispatch "linear"
// CHECK-SAME: fused = ["F4"]
// CHECK-NEXT: = llm.linear
// CHECK-NEXT: = llm.glu
func.func @happens(%b: !llm.batch, %x: !x) -> (!y, !x) {
  %wq = llm.use @qk : !w
  %wg = llm.use @gu : !w
  %qk = llm.linear %x, %wq : (!x, !w) -> !y
  %gu = llm.linear %x, %wg : (!x, !w) -> !y
  %h = llm.glu %gu {act = #llm.act_fn<silu>, interleave = 16} : (!y) -> !x
  return %qk, %h : !y, !x
}

// CHECK-LABEL: @near_miss
// CHECK: kern.dispatch "linear"
// CHECK-NOT: F4
// CHECK: kern.yield
// CHECK: = llm.glu
func.func @near_miss(%b: !llm.batch, %x: !x, %up: !y) -> !y {
  %wg = llm.use @gu : !w
  %g = llm.linear %x, %wg : (!x, !w) -> !y
  // expected-remark @+1 {{missed F4: gate and up are not one interleaved product}}
  %h = llm.glu %g, %up {act = #llm.act_fn<silu>} : (!y, !y) -> !y
  return %h : !y
}
