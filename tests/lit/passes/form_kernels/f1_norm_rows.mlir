// F1: the add before a norm and the quantization after it are one pass over the rows; the sum stays a result. Near miss: an op
// that reads the sum before the norm's other input is there.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!n = !llm.weight<[32], #llm.q<f32>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @n : !n {sources = [#llm.source<"n", rows = 32>]}
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK-LABEL: @happens
// CHECK: %[[R:.*]]:2 = kern.dispatch "norm"
// CHECK-SAME: fused = ["F1"]
// CHECK-NEXT: = llm.add
// CHECK-NEXT: = llm.rmsnorm
// CHECK-NEXT: = llm.quantize
// CHECK: return %[[R]]#0, %[[R]]#1
func.func @happens(%b: !llm.batch, %x: !x, %z: !x) -> (!x, !llm.qact<[T, 32], zero = 0>) attributes {llmc.t_max = 0 : i64} {
  %wn = llm.use @n : !n
  %s = llm.add %x, %z : !x
  %n = llm.rmsnorm %s, %wn {eps = 1.0e-5} : (!x, !n) -> !x
  %q = llm.quantize %n : (!x) -> !llm.qact<[T, 32], zero = 0>
  return %s, %q : !x, !llm.qact<[T, 32], zero = 0>
}

// CHECK-LABEL: @near_miss
// CHECK: = llm.add
// CHECK: kern.dispatch "norm"
// CHECK-NOT: fused
// CHECK: = llm.rmsnorm
func.func @near_miss(%b: !llm.batch, %x: !x, %z: !x) -> (!x, !x) attributes {llmc.t_max = 0 : i64} {
  %s = llm.add %x, %z : !x
  %c = llm.act %s {fn = #llm.act_fn<silu>} : !x
  %wn = llm.use @n : !n
  // expected-remark @+1 {{missed F1 in @near_miss: what is around the norm is read before all of it is there}}
  %n = llm.rmsnorm %s, %wn {eps = 1.0e-5} : (!x, !n) -> !x
  return %c, %n : !x, !x
}
