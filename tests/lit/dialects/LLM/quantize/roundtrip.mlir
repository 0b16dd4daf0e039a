// llm.quantize for each kind of weight.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @quantize(%x: !x) {
  // CHECK: llm.quantize %{{.*}} : (tensor<?x64xf32, #llm.dims<[T, 64]>>) -> !llm.qact<[T, 64], zero = 8>
  %0 = llm.quantize %x : (!x) -> !llm.qact<[T, 64], zero = 8>
  // CHECK: -> !llm.qact<[T, 64], zero = 128>
  %1 = llm.quantize %x : (!x) -> !llm.qact<[T, 64], zero = 128>
  // CHECK: -> !llm.qact<[T, 64], zero = 0>
  %2 = llm.quantize %x : (!x) -> !llm.qact<[T, 64], zero = 0>
  // CHECK: -> !llm.qact<[T, 64], e4m3>
  %3 = llm.quantize %x : (!x) -> !llm.qact<[T, 64], e4m3>
  return
}
