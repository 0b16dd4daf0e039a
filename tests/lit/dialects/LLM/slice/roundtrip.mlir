// llm.slice takes columns.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

func.func @slice(%x: tensor<?x64xf32, #llm.dims<[T, 64]>>) {
  // CHECK: llm.slice %{{.*}} {offset = 16 : i64, size = 32 : i64} : (tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  %y = llm.slice %x {offset = 16, size = 32} : (tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}
