// Unused and repeated uses go away, since reading a weight has no effect.
// RUN: llmc-opt %s --canonicalize --cse | FileCheck %s

!x = tensor<?x4xf32, #llm.dims<[T, 4]>>
llm.weight @n : !llm.weight<[4], #llm.q<f32>> {sources = [#llm.source<"n", rows = 4>]}
// CHECK-LABEL: @once
func.func @once(%x: !x) -> (!x, !x) {
  // CHECK-COUNT-1: llm.use
  // CHECK-NOT: llm.use
  %a = llm.use @n : !llm.weight<[4], #llm.q<f32>>
  %b = llm.use @n : !llm.weight<[4], #llm.q<f32>>
  %unused = llm.use @n : !llm.weight<[4], #llm.q<f32>>
  %y = llm.rmsnorm %x, %a {eps = 1.0e-5} : (!x, !llm.weight<[4], #llm.q<f32>>) -> !x
  %z = llm.rmsnorm %x, %b {eps = 1.0e-6} : (!x, !llm.weight<[4], #llm.q<f32>>) -> !x
  return %y, %z : !x, !x
}
