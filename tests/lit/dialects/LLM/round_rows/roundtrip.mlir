// llm.round_rows keeps the type of its rows.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @round(%x: !x) -> !x {
  // CHECK: llm.round_rows %{{.*}} : (tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
  %0 = llm.round_rows %x : (!x) -> !x
  return %0 : !x
}
