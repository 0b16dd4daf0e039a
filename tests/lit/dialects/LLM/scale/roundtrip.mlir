// llm.scale prints its type once.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @scale(%x: !x) {
  // CHECK: llm.scale %{{.*}} {factor = 5.000000e-01 : f64} : tensor<?x64xf32, #llm.dims<[T, 64]>>
  %0 = llm.scale %x {factor = 0.5} : !x
  return
}
