// F5: slices, norms of heads and ropes of q, k and v go with the cache write. Near misses: a key that something else reads, and
// queries without rope.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
!q = tensor<?x32xf32, #llm.dims<[T, 32]>>
!k = tensor<?x16xf32, #llm.dims<[T, 16]>>
!kv = !llm.kv<layers = 1, heads = 1, dim = 16, page = 16>
!n = !llm.weight<[16], #llm.q<f32>>
#rope = #llm.rope<theta = 1.0e4, dim = 16, style = neox, scaling = none>
llm.weight @n : !n {sources = [#llm.source<"n", rows = 16>]}
// CHECK-LABEL: @happens
// CHECK: %[[Q:.*]] = kern.dispatch "kv_write"
// CHECK-SAME: fused = ["F5"]
// CHECK-COUNT-3: = llm.slice
// CHECK: kern.dispatch "attend" (%{{.*}} = %[[Q]]
func.func @happens(%b: !llm.batch, %kv: !kv, %y: !y) -> !q {
  %n = llm.use @n : !n
  %q = llm.slice %y {offset = 0, size = 32} : (!y) -> !q
  %k = llm.slice %y {offset = 32, size = 16} : (!y) -> !k
  %v = llm.slice %y {offset = 48, size = 16} : (!y) -> !k
  %kn = llm.rmsnorm %k, %n {eps = 1.0e-6, segment = 16} : (!k, !n) -> !k
  %qr = llm.rope %q, %b {rope = #rope, head_dim = 16} : (!q, !llm.batch) -> !q
  %kr = llm.rope %kn, %b {rope = #rope, head_dim = 16} : (!k, !llm.batch) -> !k
  llm.kv_write %kv, %kr, %v, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()
  %a = llm.attend %qr, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!q, !kv, !llm.batch) -> !q
  return %a : !q
}

// CHECK-LABEL: @near_miss
// CHECK: = llm.rope
// CHECK: kern.dispatch "kv_write"
// CHECK-NOT: = llm.rope
// CHECK: kern.yield
func.func @near_miss(%b: !llm.batch, %kv: !kv, %q: !q, %k: !k) -> (!q, !k) {
  // expected-remark @+1 {{missed F5: the rows have another use}}
  %kr = llm.rope %k, %b {rope = #rope, head_dim = 16} : (!k, !llm.batch) -> !k
  // expected-remark @+1 {{missed F5: no rotated queries before the write}}
  llm.kv_write %kv, %kr, %k, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()
  %a = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!q, !kv, !llm.batch) -> !q
  return %a, %kr : !q, !k
}
