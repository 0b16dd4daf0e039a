// What rounds an input has the place of the op that made it, so that a norm's kernel does not claim the products that read it.
// RUN: llmc-opt %s --llm-quantize --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s --check-prefixes=CHECK,INT8
// RUN: llmc-opt %s --llm-quantize=target=cuda --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s --check-prefixes=CHECK,CUDA
// RUN: llmc-opt %s --llm-quantize=scheme=fp8 --mlir-print-debuginfo --mlir-print-local-scope 2>/dev/null | FileCheck %s --check-prefix=FP8

// CHECK: llm.rmsnorm {{.*}} loc("layers.0.norm")
// INT8: llm.quantize {{.*}} loc("layers.0.norm")
// CUDA: llm.cast {{.*}} loc("layers.0.norm")
// CHECK: llm.linear {{.*}} loc("layers.0.q")

// An argument has no op: the product that reads it first.
// CHECK: func.func @argument
// INT8: llm.quantize {{.*}} loc("layers.0.k")
// CUDA: llm.cast {{.*}} loc("layers.0.k")
// CHECK: llm.linear {{.*}} loc("layers.0.k")

// FP8: func.func @floats
// FP8: llm.round_rows {{.*}} loc("layers.0.norm")
// FP8: llm.linear {{.*}} loc("layers.0.v")
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!n = !llm.weight<[32], #llm.q<f32>>
!w = !llm.weight<[32, 32], #llm.q<i4, 32, sym>>
!f = !llm.weight<[32, 32], #llm.q<f32>>
llm.weight @v : !f {sources = [#llm.source<"v", rows = 32>]}
llm.weight @norm : !n {sources = [#llm.source<"norm", rows = 32>]}
llm.weight @q : !w {sources = [#llm.source<"q", rows = 32>]}
func.func @forward(%b: !llm.batch, %x: !x) -> !x {
  %wn = llm.use @norm : !n
  %wq = llm.use @q : !w
  %n = llm.rmsnorm %x, %wn {eps = 1.0e-5} : (!x, !n) -> !x loc("layers.0.norm")
  %y = llm.linear %n, %wq : (!x, !w) -> !x loc("layers.0.q")
  return %y : !x
}
func.func @argument(%b: !llm.batch, %x: !x) -> !x {
  %wq = llm.use @q : !w
  %y = llm.linear %x, %wq : (!x, !w) -> !x loc("layers.0.k")
  return %y : !x
}
func.func @floats(%b: !llm.batch, %x: !x) -> !x {
  %wn = llm.use @norm : !n
  %wv = llm.use @v : !f
  %n = llm.rmsnorm %x, %wn {eps = 1.0e-5} : (!x, !n) -> !x loc("layers.0.norm")
  %y = llm.linear %n, %wv : (!x, !f) -> !x loc("layers.0.v")
  %s = llm.add %x, %y : !x
  return %s : !x
}
