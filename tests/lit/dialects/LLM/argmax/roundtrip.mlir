// llm.argmax gives one index a row.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

func.func @argmax(%x: tensor<?x64xf32, #llm.dims<[S, 64]>>) {
  // CHECK: llm.argmax %{{.*}} : (tensor<?x64xf32, #llm.dims<[S, 64]>>) -> tensor<?xi32, #llm.dims<[S]>>
  %y = llm.argmax %x : (tensor<?x64xf32, #llm.dims<[S, 64]>>) -> tensor<?xi32, #llm.dims<[S]>>
  return
}
