// F8: only the sampled rows are read: by the head itself with few tokens, else by the norm. Near miss: rows that two norms read.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!s = tensor<?x32xf32, #llm.dims<[S, 32]>>
!n = !llm.weight<[32], #llm.q<f32>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @n : !n {sources = [#llm.source<"n", rows = 32>]}
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK-LABEL: @decode
// CHECK: kern.dispatch "linear"
// CHECK-SAME: fused = ["F2", "F8"]
// CHECK-NEXT: = llm.select_rows
func.func @decode(%b: !llm.batch, %x: !x) -> !s attributes {llmc.t_max = 8 : i64} {
  %wn = llm.use @n : !n
  %w = llm.use @w : !w
  %s = llm.select_rows %x, %b : (!x, !llm.batch) -> !s
  %n = llm.rmsnorm %s, %wn {eps = 1.0e-5} : (!s, !n) -> !s
  %y = llm.linear %n, %w : (!s, !w) -> !s
  return %y : !s
}

// CHECK-LABEL: @mixed
// CHECK: kern.dispatch "norm"
// CHECK-SAME: fused = ["F8"]
// CHECK-NEXT: = llm.select_rows
func.func @mixed(%b: !llm.batch, %x: !x) -> !s attributes {llmc.t_max = 0 : i64} {
  %wn = llm.use @n : !n
  %s = llm.select_rows %x, %b : (!x, !llm.batch) -> !s
  %n = llm.rmsnorm %s, %wn {eps = 1.0e-5} : (!s, !n) -> !s
  return %n : !s
}

// CHECK-LABEL: @near_miss
// CHECK: = llm.select_rows
// CHECK: kern.dispatch "norm"
// CHECK-NOT: F8
func.func @near_miss(%b: !llm.batch, %x: !x) -> (!s, !s) attributes {llmc.t_max = 0 : i64} {
  %wn = llm.use @n : !n
  %s = llm.select_rows %x, %b : (!x, !llm.batch) -> !s
  // expected-remark @+1 {{missed F8 in @near_miss: the chosen rows have another use}}
  %n = llm.rmsnorm %s, %wn {eps = 1.0e-5} : (!s, !n) -> !s
  return %n, %s : !s, !s
}
