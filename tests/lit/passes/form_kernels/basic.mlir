// Each hero takes what it can and names its place in the model; inputs are what is read, then the batch.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!n = !llm.weight<[32], #llm.q<f32>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @n : !n {sources = [#llm.source<"n", rows = 32>]}
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK-LABEL: @decode
// CHECK: %[[E:.*]] = kern.dispatch "embed" (%{{.*}} = %arg0 : !llm.batch, %{{.*}} = %{{.*}} : !llm.weight
// CHECK-SAME: origin = ["llm.embed"]
// CHECK: %[[Y:.*]] = kern.dispatch "linear"
// CHECK-SAME: %[[E]] : tensor
// CHECK-SAME: fused = ["F2", "F7"], origin = ["attention.norm", "llm.linear", "llm.add"]
// CHECK-NEXT: = llm.rmsnorm
// CHECK-NEXT: = llm.linear
// CHECK-NEXT: = llm.add
// CHECK-NEXT: kern.yield
// CHECK: return %[[Y]]
func.func @decode(%b: !llm.batch) -> !x attributes {llmc.t_max = 8 : i64} {
  %wn = llm.use @n : !n
  %w = llm.use @w : !w
  %x = llm.embed %b, %w : (!llm.batch, !w) -> !x
  %n = llm.rmsnorm %x, %wn {eps = 1.0e-5} : (!x, !n) -> !x loc("attention.norm")
  %y = llm.linear %n, %w : (!x, !w) -> !x
  %r = llm.add %x, %y : !x
  return %r : !x
}
