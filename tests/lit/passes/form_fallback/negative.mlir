// Ops inside a kernel, and references to weights, stay as they are.
// RUN: llmc-opt %s -verify-diagnostics --kern-form-fallback | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK: llm.use @w
// CHECK-COUNT-1: kern.dispatch
// CHECK-NOT: kern.dispatch
func.func @forward(%b: !llm.batch, %x: !x) -> !x {
  %w = llm.use @w : !w
  %y = kern.dispatch "linear" (%bx = %x : !x, %bw = %w : !w, %bb = %b : !llm.batch) -> !x {
    %p = llm.linear %bx, %bw : (!x, !w) -> !x
    kern.yield %p : !x
  }
  return %y : !x
}
