// F5: the product that makes q, k and v takes ropes and the cache write as its epilogue. Near misses: rows that something else
// reads whole, and slices that cut heads.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
!k = tensor<?x16xf32, #llm.dims<[T, 16]>>
!w = !llm.weight<[64, 32], #llm.q<f32>>
!kv = !llm.kv<layers = 1, heads = 1, dim = 16, page = 16>
#rope = #llm.rope<theta = 1.0e4, dim = 16, style = neox, scaling = none>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 64>]}
// CHECK-LABEL: @happens
// CHECK: %[[Q:.*]] = kern.dispatch "linear"
// CHECK-SAME: fused = ["F5"]
// CHECK: = llm.linear
// CHECK: llm.kv_write
// CHECK: kern.dispatch "attend" (%{{.*}} = %[[Q]]
// CHECK-NOT: kern.dispatch
func.func @happens(%b: !llm.batch, %kv: !kv, %x: !x) -> !x {
  %w = llm.use @w : !w
  %y = llm.linear %x, %w : (!x, !w) -> !y
  %q = llm.slice %y {offset = 0, size = 32} : (!y) -> !x
  %k = llm.slice %y {offset = 32, size = 16} : (!y) -> !k
  %v = llm.slice %y {offset = 48, size = 16} : (!y) -> !k
  %qr = llm.rope %q, %b {rope = #rope, head_dim = 16} : (!x, !llm.batch) -> !x
  %kr = llm.rope %k, %b {rope = #rope, head_dim = 16} : (!k, !llm.batch) -> !k
  llm.kv_write %kv, %kr, %v, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()
  %a = llm.attend %qr, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch) -> !x
  return %a : !x
}

// Queries that are not rotated are heads of the product all the same.
// CHECK-LABEL: @no_rope
// CHECK: kern.dispatch "linear"
// CHECK-SAME: fused = ["F5"]
// CHECK: llm.kv_write
func.func @no_rope(%b: !llm.batch, %kv: !kv, %x: !x) -> !x {
  %w = llm.use @w : !w
  %y = llm.linear %x, %w : (!x, !w) -> !y
  %q = llm.slice %y {offset = 0, size = 32} : (!y) -> !x
  %k = llm.slice %y {offset = 32, size = 16} : (!y) -> !k
  %v = llm.slice %y {offset = 48, size = 16} : (!y) -> !k
  llm.kv_write %kv, %k, %v, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()
  %a = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch) -> !x
  return %a : !x
}

// CHECK-LABEL: @read_whole
// CHECK: kern.dispatch "linear"
// CHECK: kern.dispatch "kv_write"
func.func @read_whole(%b: !llm.batch, %kv: !kv, %x: !x) -> (!x, !y) {
  %w = llm.use @w : !w
  // expected-remark @+1 {{missed F5: its rows are not cut into heads of the cache alone}}
  %y = llm.linear %x, %w : (!x, !w) -> !y
  %q = llm.slice %y {offset = 0, size = 32} : (!y) -> !x
  %k = llm.slice %y {offset = 32, size = 16} : (!y) -> !k
  %v = llm.slice %y {offset = 48, size = 16} : (!y) -> !k
  llm.kv_write %kv, %k, %v, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()
  %a = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch) -> !x
  return %a, %y : !x, !y
}

// CHECK-LABEL: @cut_heads
// CHECK: kern.dispatch "linear"
// CHECK: kern.dispatch "kv_write"
func.func @cut_heads(%b: !llm.batch, %kv: !kv, %x: !x) -> !x {
  %w = llm.use @w : !w
  // expected-remark @+1 {{missed F5: its rows are not cut into heads of the cache alone}}
  %y = llm.linear %x, %w : (!x, !w) -> !y
  %q = llm.slice %y {offset = 8, size = 32} : (!y) -> !x
  %k = llm.slice %y {offset = 40, size = 16} : (!y) -> !k
  %v = llm.slice %y {offset = 48, size = 16} : (!y) -> !k
  llm.kv_write %kv, %k, %v, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()
  %a = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch) -> !x
  return %a : !x
}
