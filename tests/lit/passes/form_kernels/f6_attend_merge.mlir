// F6: parts of a context are attended side by side and merged by the product that reads them. Near misses: a merge that no
// product reads, and a merge in a program for any number of tokens.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!q = tensor<?x32xf32, #llm.dims<[T, 32]>>
!p = tensor<?x72xf32, #llm.dims<[T, 72]>>
!kv = !llm.kv<layers = 1, heads = 1, dim = 16, page = 16>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK-LABEL: @happens
// CHECK: kern.dispatch "attend"
// CHECK-SAME: fused = ["F6"]
// CHECK: kern.dispatch "linear"
// CHECK-SAME: fused = ["F6"]
// CHECK-NEXT: = llm.attend_merge
// CHECK-NEXT: = llm.linear
func.func @happens(%b: !llm.batch, %kv: !kv, %q: !q) -> !q attributes {llmc.t_max = 8 : i64} {
  %w = llm.use @w : !w
  %p = llm.attend_partial %q, %kv, %b {layer = 0, heads = 2, scale = 0.25, splits = 2} : (!q, !kv, !llm.batch) -> !p
  %m = llm.attend_merge %p {heads = 2, head_dim = 16, splits = 2} : (!p) -> !q
  %y = llm.linear %m, %w : (!q, !w) -> !q
  return %y : !q
}

// CHECK-LABEL: @no_product
// CHECK: = llm.attend_merge
// CHECK-NOT: kern.dispatch
func.func @no_product(%b: !llm.batch, %p: !p) -> !q attributes {llmc.t_max = 8 : i64} {
  // expected-remark @+1 {{missed F6 in @no_product: no product reads the merged rows}}
  %m = llm.attend_merge %p {heads = 2, head_dim = 16, splits = 2} : (!p) -> !q
  return %m : !q
}

// CHECK-LABEL: @mixed
// CHECK: = llm.attend_merge
// CHECK: kern.dispatch "linear"
func.func @mixed(%b: !llm.batch, %p: !p) -> !q attributes {llmc.t_max = 0 : i64} {
  %w = llm.use @w : !w
  // expected-remark @+1 {{missed F6 in @mixed: no product reads the merged rows}}
  %m = llm.attend_merge %p {heads = 2, head_dim = 16, splits = 2} : (!p) -> !q
  // expected-remark @+1 {{missed F6 in @mixed: with any number of tokens its rows are cheaper computed once}}
  %y = llm.linear %m, %w : (!q, !w) -> !q
  return %y : !q
}
