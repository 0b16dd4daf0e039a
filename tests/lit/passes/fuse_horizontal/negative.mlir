// Near misses of F3 and F4: each leaves the products alone and says why.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --llm-fuse-horizontal | FileCheck %s
// CHECK-NOT: arrange
// CHECK-NOT: llm.slice

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
!i = !llm.weight<[32, 32], #llm.q<i8, 32, sym>>
llm.weight @q : !w {sources = [#llm.source<"q", rows = 32>]}
llm.weight @k : !i {sources = [#llm.source<"k", rows = 32>]}
func.func @storage(%x: !x) -> (!x, !x) {
  %wq = llm.use @q : !w
  %wk = llm.use @k : !i
  // expected-remark @+1 {{missed F3: weights are stored differently}}
  %q = llm.linear %x, %wq : (!x, !w) -> !x
  %k = llm.linear %x, %wk : (!x, !i) -> !x
  return %q, %k : !x, !x
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!k = tensor<?x24xf32, #llm.dims<[T, 24]>>
!wq = !llm.weight<[32, 32], #llm.q<f16>>
!wk = !llm.weight<[24, 32], #llm.q<f16>>
llm.weight @q : !wq {sources = [#llm.source<"q", rows = 32>]}
llm.weight @k : !wk {sources = [#llm.source<"k", rows = 24>]}
func.func @panel(%x: !x) -> (!x, !k) {
  %wq = llm.use @q : !wq
  %wk = llm.use @k : !wk
  // expected-remark @+1 {{missed F3: rows of a weight are not a multiple of 16, the height of a panel}}
  %q = llm.linear %x, %wq : (!x, !wq) -> !x
  %k = llm.linear %x, %wk : (!x, !wk) -> !k
  return %q, %k : !x, !k
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
!b = !llm.weight<[32], #llm.q<f32>>
llm.weight @q : !w {sources = [#llm.source<"q", rows = 32>]}
llm.weight @k : !w {sources = [#llm.source<"k", rows = 32>]}
llm.weight @bias : !b {sources = [#llm.source<"bias", rows = 32>]}
func.func @biases(%x: !x) -> (!x, !x) {
  %wq = llm.use @q : !w
  %wk = llm.use @k : !w
  %b = llm.use @bias : !b
  // expected-remark @+1 {{missed F3: only some of the products have a bias}}
  %q = llm.linear %x, %wq, %b : (!x, !w, !b) -> !x
  %k = llm.linear %x, %wk : (!x, !w) -> !x
  return %q, %k : !x, !x
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @g : !w {sources = [#llm.source<"g", rows = 32>]}
llm.weight @u : !w {sources = [#llm.source<"u", rows = 32>]}
func.func @inputs(%x: !x, %z: !x) -> !x {
  %wg = llm.use @g : !w
  %wu = llm.use @u : !w
  %g = llm.linear %x, %wg : (!x, !w) -> !x
  %u = llm.linear %z, %wu : (!x, !w) -> !x
  // expected-remark @+1 {{missed F4: gate and up are not products of one input}}
  %y = llm.glu %g, %u {act = #llm.act_fn<silu>} : (!x, !x) -> !x
  return %y : !x
}
