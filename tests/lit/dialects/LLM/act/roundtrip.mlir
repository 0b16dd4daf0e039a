// llm.act prints its type once.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @act(%x: !x) {
  // CHECK: llm.act %{{.*}} {fn = #llm.act_fn<relu>} : tensor<?x64xf32, #llm.dims<[T, 64]>>
  %0 = llm.act %x {fn = #llm.act_fn<relu>} : !x
  return
}
