// F8: logits meet their argmax in the head's registers. Near misses: logits that something else reads, tiles that end within a panel;
// what is left becomes kernels of its own.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s
// RUN: llmc-opt %s -split-input-file --kern-form-kernels --kern-form-fallback | FileCheck %s --check-prefix=FALLBACK

!s = tensor<?x32xf32, #llm.dims<[S, 32]>>
!l = tensor<?x300xf32, #llm.dims<[S, 300]>>
!a = tensor<?x6xf32, #llm.dims<[S, 6]>>
!w = !llm.weight<[300, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 300>]}
// CHECK-LABEL: @happens
// CHECK: kern.dispatch "linear"
// CHECK-SAME: fused = ["F9", "F8"]
// CHECK-NEXT: = llm.linear
// CHECK-NEXT: = llm.scale
// CHECK-NEXT: = llm.keep_rows
// CHECK-NEXT: = llm.argmax
// CHECK-NEXT: kern.yield
func.func @happens(%b: !llm.batch, %x: !s) -> (!l, !a) {
  %w = llm.use @w : !w
  %p = llm.linear %x, %w : (!s, !w) -> !l
  %y = llm.scale %p {factor = 0.5} : !l
  %k = llm.keep_rows %y, %b : (!l, !llm.batch) -> !l
  %a = llm.argmax %y {tile = 128 : i64} : (!l) -> !a
  return %k, %a : !l, !a
}

// -----

!s = tensor<?x32xf32, #llm.dims<[S, 32]>>
!l = tensor<?x300xf32, #llm.dims<[S, 300]>>
!a = tensor<?x6xf32, #llm.dims<[S, 6]>>
!w = !llm.weight<[300, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 300>]}
// CHECK-LABEL: @third_use
// CHECK: kern.dispatch "linear"
// CHECK-NEXT: = llm.linear
// CHECK-NEXT: kern.yield
// CHECK: llm.argmax
// FALLBACK-LABEL: @third_use
// FALLBACK: kern.dispatch "pointwise"
// FALLBACK-NEXT: = llm.keep_rows
// FALLBACK: kern.dispatch "pointwise"
// FALLBACK-NEXT: = llm.argmax
func.func @third_use(%b: !llm.batch, %x: !s) -> (!l, !a, !l) {
  %w = llm.use @w : !w
  %y = llm.linear %x, %w : (!s, !w) -> !l
  %k = llm.keep_rows %y, %b : (!l, !llm.batch) -> !l
  // expected-remark @+1 {{missed F8: the logits have another use than their argmax and the rows that are kept}}
  %a = llm.argmax %y {tile = 128 : i64} : (!l) -> !a
  return %k, %a, %y : !l, !a, !l
}

// -----

!s = tensor<?x32xf32, #llm.dims<[S, 32]>>
!l = tensor<?x300xf32, #llm.dims<[S, 300]>>
!a = tensor<?x6xf32, #llm.dims<[S, 6]>>
!w = !llm.weight<[300, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 300>]}
// CHECK-LABEL: @odd_tiles
// CHECK: kern.dispatch "linear"
// CHECK-NEXT: = llm.linear
// CHECK-NEXT: kern.yield
func.func @odd_tiles(%b: !llm.batch, %x: !s) -> (!l, !a) {
  %w = llm.use @w : !w
  %y = llm.linear %x, %w : (!s, !w) -> !l
  %k = llm.keep_rows %y, %b : (!l, !llm.batch) -> !l
  // expected-remark @+1 {{missed F8: tiles of 120 columns do not end with a panel of 16 rows of the product}}
  %a = llm.argmax %y {tile = 120 : i64} : (!l) -> !a
  return %k, %a : !l, !a
}
