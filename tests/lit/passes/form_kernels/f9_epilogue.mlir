// F9: bias, scale, activation and cap follow the product on its registers. Near miss: a cap on a product with another reader.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!n = !llm.weight<[32], #llm.q<f32>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @n : !n {sources = [#llm.source<"n", rows = 32>]}
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK-LABEL: @happens
// CHECK: kern.dispatch "linear"
// CHECK-SAME: fused = ["F9"]
// CHECK-NEXT: = llm.linear
// CHECK-NEXT: = llm.scale
// CHECK-NEXT: = llm.act
// CHECK-NEXT: = llm.softcap
// CHECK-NEXT: kern.yield
func.func @happens(%b: !llm.batch, %x: !x) -> !x {
  %w = llm.use @w : !w
  %bias = llm.use @n : !n
  %y = llm.linear %x, %w, %bias : (!x, !w, !n) -> !x
  %s = llm.scale %y {factor = 0.5} : !x
  %a = llm.act %s {fn = #llm.act_fn<silu>} : !x
  %c = llm.softcap %a {cap = 30.0} : !x
  return %c : !x
}

// CHECK-LABEL: @near_miss
// CHECK: kern.dispatch "linear"
// CHECK-NOT: = llm.softcap
// CHECK: kern.yield
// CHECK: = llm.softcap
func.func @near_miss(%b: !llm.batch, %x: !x) -> (!x, !x) {
  %w = llm.use @w : !w
  // expected-remark @+1 {{missed F9: the product has 2 uses}}
  %y = llm.linear %x, %w : (!x, !w) -> !x
  %c = llm.softcap %y {cap = 30.0} : !x
  return %c, %y : !x, !x
}
