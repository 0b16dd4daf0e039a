// Bodies that differ in an attribute or in a weight's storage stay two functions.
// RUN: llmc-opt %s --kern-dedup | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
!v = !llm.weight<[32, 32], #llm.q<bf16>>
llm.weight @a : !w {sources = [#llm.source<"a", rows = 32>]}
llm.weight @b : !v {sources = [#llm.source<"b", rows = 32>]}
// CHECK-COUNT-4: kern.func
// CHECK-NOT: kern.func
// CHECK: func.func @forward
func.func @forward(%b: !llm.batch, %x: !x) -> !x {
  %wa = llm.use @a : !w
  %wb = llm.use @b : !v
  %y = kern.dispatch "linear" (%bx = %x : !x, %bw = %wa : !w, %bb = %b : !llm.batch) -> !x attributes {origin = ["layers.0.o"]} {
    %p = llm.linear %bx, %bw : (!x, !w) -> !x
    kern.yield %p : !x
  }
  %z = kern.dispatch "linear" (%bx = %y : !x, %bw = %wb : !v, %bb = %b : !llm.batch) -> !x {
    %p = llm.linear %bx, %bw : (!x, !v) -> !x
    kern.yield %p : !x
  }
  %s = kern.dispatch "pointwise" (%bx = %z : !x, %bb = %b : !llm.batch) -> !x {
    %p = llm.scale %bx {factor = 0.5} : !x
    kern.yield %p : !x
  }
  %t = kern.dispatch "pointwise" (%bx = %s : !x, %bb = %b : !llm.batch) -> !x {
    %p = llm.scale %bx {factor = 0.25} : !x
    kern.yield %p : !x
  }
  return %t : !x
}
