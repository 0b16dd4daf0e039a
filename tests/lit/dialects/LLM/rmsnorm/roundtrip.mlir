// llm.rmsnorm of rows and of heads; defaults are not printed.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @rmsnorm(%x: !x, %w: !llm.weight<[64], #llm.q<f32>>, %head: !llm.weight<[32], #llm.q<f32>>) {
  // CHECK: llm.rmsnorm %{{.*}}, %{{.*}} {eps = 1.000000e-05 : f64} : (tensor<?x64xf32, #llm.dims<[T, 64]>>, !llm.weight<[64], #llm.q<f32>>) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
  %0 = llm.rmsnorm %x, %w {eps = 1.0e-5} : (!x, !llm.weight<[64], #llm.q<f32>>) -> !x
  // CHECK: llm.rmsnorm %{{.*}}, %{{.*}} {eps = 0.000000e+00 : f64, segment = 32 : i64, unit_offset = true} :
  %1 = llm.rmsnorm %x, %head {eps = 0.0, unit_offset = true, segment = 32} : (!x, !llm.weight<[32], #llm.q<f32>>) -> !x
  return
}
