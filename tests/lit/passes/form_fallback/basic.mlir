// An op that no hero took becomes a kernel of its own, with a remark.
// RUN: llmc-opt %s -verify-diagnostics --kern-form-fallback | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
// CHECK: %[[A:.*]] = kern.dispatch "pointwise" (%{{.*}} = %arg1
// CHECK-NEXT: = llm.act
// CHECK: %[[B:.*]] = kern.dispatch "pointwise" (%{{.*}} = %[[A]]
// CHECK-NEXT: = llm.mul
// CHECK: return %[[B]]
func.func @forward(%b: !llm.batch, %x: !x) -> !x {
  // expected-remark @+1 {{missed fusion: no hero took this op, it becomes a kernel of its own}}
  %a = llm.act %x {fn = #llm.act_fn<silu>} : !x
  // expected-remark @+1 {{missed fusion}}
  %m = llm.mul %a, %x : !x
  return %m : !x
}
