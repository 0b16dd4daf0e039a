// llm.linear of floats and of quantized activations, with and without a bias.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!h = tensor<?x64xbf16, #llm.dims<[T, 64]>>
!y = tensor<?x96xf32, #llm.dims<[T, 96]>>
!w = !llm.weight<[96, 64], #llm.q<bf16>>
!w4 = !llm.weight<[96, 64], #llm.q<i4, 32, sym>>
!bias = !llm.weight<[96], #llm.q<f32>>
func.func @linear(%x: !x, %q: !llm.qact<[T, 64], zero = 8>, %w: !w, %w4: !w4, %bias: !bias, %h: !h) {
  // CHECK: llm.linear %{{.*}}, %{{.*}} : (tensor<?x64xf32, #llm.dims<[T, 64]>>, !llm.weight<[96, 64], #llm.q<bf16>>) -> tensor<?x96xf32, #llm.dims<[T, 96]>>
  %0 = llm.linear %x, %w : (!x, !w) -> !y
  // CHECK: llm.linear %{{.*}}, %{{.*}}, %{{.*}} : (tensor<{{.*}}>, !llm.weight<[96, 64], #llm.q<i4, 32, sym>>, !llm.weight<[96], #llm.q<f32>>) ->
  %1 = llm.linear %x, %w4, %bias : (!x, !w4, !bias) -> !y
  // CHECK: llm.linear %{{.*}}, %{{.*}} : (!llm.qact<[T, 64], zero = 8>, !llm.weight<[96, 64], #llm.q<i4, 32, sym>>) ->
  %2 = llm.linear %q, %w4 : (!llm.qact<[T, 64], zero = 8>, !w4) -> !y
  // CHECK: llm.linear %{{.*}}, %{{.*}} : (tensor<?x64xbf16, #llm.dims<[T, 64]>>, !llm.weight<[96, 64], #llm.q<bf16>>) -> tensor<?x96xf32, #llm.dims<[T, 96]>>
  %3 = llm.linear %h, %w : (!h, !w) -> !y
  return
}
