// llm.cast changes the element type.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @cast(%x: !x) {
  // CHECK: llm.cast %{{.*}} : (tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x64xf16, #llm.dims<[T, 64]>>
  %0 = llm.cast %x : (!x) -> tensor<?x64xf16, #llm.dims<[T, 64]>>
  return
}
