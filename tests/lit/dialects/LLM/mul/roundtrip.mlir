// llm.mul prints its type once.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @mul(%x: !x, %y: !x) {
  // CHECK: llm.mul %{{.*}}, %{{.*}} : tensor<?x64xf32, #llm.dims<[T, 64]>>
  %0 = llm.mul %x, %y : !x
  return
}
