// llm.softcap prints its type once.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @softcap(%x: !x) {
  // CHECK: llm.softcap %{{.*}} {cap = 3.000000e+01 : f64} : tensor<?x64xf32, #llm.dims<[T, 64]>>
  %0 = llm.softcap %x {cap = 30.0} : !x
  return
}
