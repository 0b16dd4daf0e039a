// F2: with few tokens every worker computes the norm itself, for each product that reads it. Near miss: any number of tokens.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!n = !llm.weight<[32], #llm.q<f32>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @n : !n {sources = [#llm.source<"n", rows = 32>]}
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK-LABEL: @decode
// CHECK-NOT: "norm"
// CHECK: kern.dispatch "linear"
// CHECK-SAME: fused = ["F2"]
// CHECK-NEXT: = llm.rmsnorm
// CHECK: kern.dispatch "linear"
// CHECK-SAME: fused = ["F2"]
// CHECK-NEXT: = llm.rmsnorm
func.func @decode(%b: !llm.batch, %x: !x) -> (!x, !x) attributes {llmc.t_max = 8 : i64} {
  %wn = llm.use @n : !n
  %w = llm.use @w : !w
  %n = llm.rmsnorm %x, %wn {eps = 1.0e-5} : (!x, !n) -> !x
  %y = llm.linear %n, %w : (!x, !w) -> !x
  %z = llm.linear %n, %w : (!x, !w) -> !x
  return %y, %z : !x, !x
}

// CHECK-LABEL: @mixed
// CHECK: kern.dispatch "norm"
// CHECK: kern.dispatch "linear"
// CHECK-NOT: F2
// CHECK-NEXT: = llm.linear
func.func @mixed(%b: !llm.batch, %x: !x) -> !x attributes {llmc.t_max = 0 : i64} {
  %wn = llm.use @n : !n
  %w = llm.use @w : !w
  %n = llm.rmsnorm %x, %wn {eps = 1.0e-5} : (!x, !n) -> !x
  // expected-remark @+1 {{missed F2 in @mixed: with any number of tokens its rows are cheaper computed once}}
  %y = llm.linear %n, %w : (!x, !w) -> !x
  return %y : !x
}
