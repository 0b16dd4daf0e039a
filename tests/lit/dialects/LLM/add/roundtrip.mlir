// llm.add prints its type once.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @add(%x: !x, %y: !x) {
  // CHECK: llm.add %{{.*}}, %{{.*}} : tensor<?x64xf32, #llm.dims<[T, 64]>>
  %0 = llm.add %x, %y : !x
  return
}
