// llm.argmax gives two numbers a tile.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

func.func @argmax(%x: tensor<?x300xf32, #llm.dims<[S, 300]>>) {
  // CHECK: llm.argmax %{{.*}} {tile = 128 : i64} : (tensor<?x300xf32, #llm.dims<[S, 300]>>) -> tensor<?x6xf32, #llm.dims<[S, 6]>>
  %y = llm.argmax %x {tile = 128 : i64} : (tensor<?x300xf32, #llm.dims<[S, 300]>>) -> tensor<?x6xf32, #llm.dims<[S, 6]>>
  return
}
