// Target cuda: the rows of a product (F2), the merge of attention (F6) and the cache write (F5) are kernels of their own; casts to bf16 join
// the norm (F1), the attention or its merge (F6) and the product before them (F9). Near misses: rows that something else reads too.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels=target=cuda | FileCheck %s
// RUN: not llmc-opt %s -split-input-file --kern-form-kernels=target=tpu 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: error: unknown target 'tpu', expected cpu or cuda

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!h = tensor<?x32xbf16, #llm.dims<[T, 32]>>
!n = !llm.weight<[32], #llm.q<f32>>
!w = !llm.weight<[32, 32], #llm.q<bf16>>
!g = !llm.weight<[64, 32], #llm.q<bf16>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
llm.weight @n : !n {sources = [#llm.source<"n", rows = 32>]}
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
llm.weight @g : !g {sources = [#llm.source<"g", rows = 64>]}
// CHECK-LABEL: @decode
// CHECK: %[[H:.*]] = kern.dispatch "norm"
// CHECK-SAME: fused = ["F1"]
// CHECK-NEXT: = llm.rmsnorm
// CHECK-NEXT: = llm.cast
// CHECK-NEXT: kern.yield %{{.*}} : tensor<?x32xbf16
// CHECK: %[[G:.*]] = kern.dispatch "linear" (%{{.*}} = %[[H]]
// CHECK-SAME: fused = ["F4", "F9"]
// CHECK-NEXT: = llm.linear
// CHECK-NEXT: = llm.glu
// CHECK-NEXT: = llm.cast
// CHECK-NEXT: kern.yield %{{.*}} : tensor<?x32xbf16
// CHECK: kern.dispatch "linear" (%{{.*}} = %[[G]]
// CHECK-SAME: fused = ["F7"]
func.func @decode(%b: !llm.batch, %x: !x) -> !x attributes {llmc.t_max = 0 : i64, llmc.q_max = 1 : i64} {
  %wn = llm.use @n : !n
  %w = llm.use @w : !w
  %wg = llm.use @g : !g
  %n = llm.rmsnorm %x, %wn {eps = 1.0e-5} : (!x, !n) -> !x
  %h = llm.cast %n : (!x) -> !h
  // expected-remark @+1 {{missed F2 in @decode: target cuda makes its rows once, in a kernel of their own}}
  %p = llm.linear %h, %wg : (!h, !g) -> !y
  %u = llm.glu %p {act = #llm.act_fn<silu>, interleave = 16} : (!y) -> !x
  %c = llm.cast %u : (!x) -> !h
  %d = llm.linear %c, %w : (!h, !w) -> !x
  %r = llm.add %x, %d : !x
  return %r : !x
}

// -----

!q = tensor<?x32xf32, #llm.dims<[T, 32]>>
!h = tensor<?x32xbf16, #llm.dims<[T, 32]>>
!k = tensor<?x16xf32, #llm.dims<[T, 16]>>
!p = tensor<?x576xf32, #llm.dims<[T, 576]>>
!kv = !llm.kv<layers = 1, heads = 1, dim = 16, page = 16>
!w = !llm.weight<[64, 32], #llm.q<bf16>>
!o = !llm.weight<[32, 32], #llm.q<bf16>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
#rope = #llm.rope<theta = 1.0e4, dim = 16, style = neox, scaling = none>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 64>]}
llm.weight @o : !o {sources = [#llm.source<"o", rows = 32>]}
// CHECK-LABEL: @decode
// CHECK: %[[Y:.*]] = kern.dispatch "linear"
// CHECK-NEXT: = llm.linear
// CHECK-NEXT: kern.yield
// CHECK: %[[Q:.*]] = kern.dispatch "kv_write"
// CHECK-SAME: %[[Y]] : tensor<?x64xf32
// CHECK-SAME: fused = ["F5"]
// CHECK: %[[P:.*]] = kern.dispatch "attend"
// CHECK-SAME: %[[Q]] : tensor
// CHECK-NEXT: = llm.attend_partial
// CHECK-NEXT: kern.yield
// CHECK: %[[H:.*]] = kern.dispatch "pointwise" (%{{.*}} = %[[P]]
// CHECK-SAME: fused = ["F6"]
// CHECK-NEXT: = llm.attend_merge
// CHECK-NEXT: = llm.cast
// CHECK-NEXT: kern.yield %{{.*}} : tensor<?x32xbf16
// CHECK: kern.dispatch "linear" (%{{.*}} = %[[H]]
func.func @decode(%b: !llm.batch, %kv: !kv, %x: !h) -> !q attributes {llmc.t_max = 0 : i64, llmc.q_max = 1 : i64} {
  %w = llm.use @w : !w
  %o = llm.use @o : !o
  %y = llm.linear %x, %w : (!h, !w) -> !y
  %q = llm.slice %y {offset = 0, size = 32} : (!y) -> !q
  %k = llm.slice %y {offset = 32, size = 16} : (!y) -> !k
  %v = llm.slice %y {offset = 48, size = 16} : (!y) -> !k
  %qr = llm.rope %q, %b {rope = #rope, head_dim = 16} : (!q, !llm.batch) -> !q
  %kr = llm.rope %k, %b {rope = #rope, head_dim = 16} : (!k, !llm.batch) -> !k
  // expected-remark @+1 {{missed F5 in @decode: target cuda writes the cache in a kernel of its own, not in the product's}}
  llm.kv_write %kv, %kr, %v, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()
  %part = llm.attend_partial %qr, %kv, %b {layer = 0, heads = 2, scale = 0.25, splits = 16} : (!q, !kv, !llm.batch) -> !p
  %a = llm.attend_merge %part {heads = 2, head_dim = 16, splits = 16} : (!p) -> !q
  %h = llm.cast %a : (!q) -> !h
  // expected-remark @+1 {{missed F6 in @decode: target cuda makes its rows once, in a kernel of their own}}
  %r = llm.linear %h, %o : (!h, !o) -> !q
  return %r : !q
}

// -----

!q = tensor<?x32xf32, #llm.dims<[T, 32]>>
!h = tensor<?x32xbf16, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 1, heads = 1, dim = 16, page = 16>
// CHECK-LABEL: @mixed
// CHECK: kern.dispatch "attend"
// CHECK-SAME: fused = ["F6"]
// CHECK-NEXT: = llm.attend
// CHECK-NEXT: = llm.cast
// CHECK-NEXT: kern.yield
func.func @mixed(%b: !llm.batch, %kv: !kv, %q: !q) -> !h attributes {llmc.t_max = 0 : i64} {
  %a = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!q, !kv, !llm.batch) -> !q
  %h = llm.cast %a : (!q) -> !h
  return %h : !h
}

// CHECK-LABEL: @near_miss
// CHECK: kern.dispatch "attend"
// CHECK-NEXT: = llm.attend
// CHECK-NEXT: kern.yield
// CHECK: = llm.cast
func.func @near_miss(%b: !llm.batch, %kv: !kv, %q: !q) -> (!h, !q) attributes {llmc.t_max = 0 : i64} {
  // expected-remark @+1 {{missed F6 in @near_miss: the rows have another use than their cast}}
  %a = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!q, !kv, !llm.batch) -> !q
  %h = llm.cast %a : (!q) -> !h
  return %h, %a : !h, !q
}
