// A kernel never reads what is made after its readers: here the norm's second quantization comes after a product of the first.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!n = !llm.weight<[32], #llm.q<f32>>
!i = !llm.weight<[32, 32], #llm.q<i4, 32, asym>>
!j = !llm.weight<[32, 32], #llm.q<i8, 32, sym>>
!q0 = !llm.qact<[T, 32], zero = 0>
!q128 = !llm.qact<[T, 32], zero = 128>
llm.weight @n : !n {sources = [#llm.source<"n", rows = 32>]}
llm.weight @i : !i {sources = [#llm.source<"i", rows = 32>]}
llm.weight @j : !j {sources = [#llm.source<"j", rows = 32>]}
// CHECK-LABEL: @two_zeros
// CHECK: kern.dispatch "norm"
// CHECK-COUNT-2: = llm.quantize
// CHECK: kern.dispatch "linear"
// CHECK: kern.dispatch "linear"
func.func @two_zeros(%b: !llm.batch, %x: !x) -> (!x, !x) attributes {llmc.t_max = 0 : i64} {
  %wn = llm.use @n : !n
  %wi = llm.use @i : !i
  %wj = llm.use @j : !j
  %n = llm.rmsnorm %x, %wn {eps = 1.0e-5} : (!x, !n) -> !x
  %q = llm.quantize %n : (!x) -> !q0
  // expected-remark @+1 {{missed F2 in @two_zeros: with any number of tokens its rows are cheaper computed once}}
  %y = llm.linear %q, %wi : (!q0, !i) -> !x
  %p = llm.quantize %n : (!x) -> !q128
  // expected-remark @+1 {{missed F2 in @two_zeros}}
  %z = llm.linear %p, %wj : (!q128, !j) -> !x
  return %y, %z : !x, !x
}

// -----

// Nothing to form kernels of needs no batch.
// CHECK-LABEL: @empty
// CHECK-NEXT: return
func.func @empty() { return }
func.func private @declared(!llm.batch)

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
// expected-error @+1 {{expected !llm.batch as its first argument, which kernels take, found}}
func.func @no_batch(%x: !x) -> !x {
  %y = llm.add %x, %x : !x
  return %y : !x
}
