// F4: a product that only the next one reads leaves its int8 form. Near miss: a width that workers cannot quantize in groups of 32.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
!q = !llm.qact<[T, 64], zero = 8>
!w = !llm.weight<[64, 32], #llm.q<f16>>
!d = !llm.weight<[32, 64], #llm.q<i4, 32, sym>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 64>]}
llm.weight @d : !d {sources = [#llm.source<"d", rows = 32>]}
// CHECK-LABEL: @happens
// CHECK: kern.dispatch "linear"
// CHECK-SAME: -> !llm.qact<[T, 64], zero = 8>
// CHECK-SAME: fused = ["F4"]
// CHECK: kern.dispatch "linear"
// CHECK-NOT: llm.quantize
func.func @happens(%b: !llm.batch, %x: !x) -> !x attributes {llmc.t_max = 8 : i64} {
  %w = llm.use @w : !w
  %d = llm.use @d : !d
  %y = llm.linear %x, %w : (!x, !w) -> !y
  %q = llm.quantize %y : (!y) -> !q
  %z = llm.linear %q, %d : (!q, !d) -> !x
  return %z : !x
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!y = tensor<?x48xf32, #llm.dims<[T, 48]>>
!q = !llm.qact<[T, 48], zero = 8>
!w = !llm.weight<[48, 32], #llm.q<f16>>
!d = !llm.weight<[32, 48], #llm.q<i4, 32, sym>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 48>]}
llm.weight @d : !d {sources = [#llm.source<"d", rows = 32>]}
// CHECK-LABEL: @near_miss
// CHECK: kern.dispatch "linear"
// CHECK-SAME: -> tensor<?x48xf32
// CHECK: kern.dispatch "linear"
// CHECK: = llm.quantize
func.func @near_miss(%b: !llm.batch, %x: !x) -> !x attributes {llmc.t_max = 8 : i64} {
  %w = llm.use @w : !w
  %d = llm.use @d : !d
  %y = llm.linear %x, %w : (!x, !w) -> !y
  // expected-remark @+1 {{missed F4 in @near_miss: columns are not a multiple of 32}}
  %q = llm.quantize %y : (!y) -> !q
  %z = llm.linear %q, %d : (!q, !d) -> !x
  return %z : !x
}
