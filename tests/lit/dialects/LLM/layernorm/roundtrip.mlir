// llm.layernorm with and without a bias.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64], #llm.q<f32>>
func.func @layernorm(%x: !x, %w: !w, %b: !w) {
  // CHECK: llm.layernorm %{{.*}}, %{{.*}} {eps = 1.000000e-05 : f64} : (tensor<{{.*}}>, !llm.weight<[64], #llm.q<f32>>) ->
  %0 = llm.layernorm %x, %w {eps = 1.0e-5} : (!x, !w) -> !x
  // CHECK: llm.layernorm %{{.*}}, %{{.*}}, %{{.*}} {eps = 1.000000e-05 : f64} : (tensor<{{.*}}>, !llm.weight<[64], #llm.q<f32>>, !llm.weight<[64], #llm.q<f32>>) ->
  %1 = llm.layernorm %x, %w, %b {eps = 1.0e-5} : (!x, !w, !w) -> !x
  return
}
