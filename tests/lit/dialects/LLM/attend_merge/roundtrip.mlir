// llm.attend_merge removes the splits.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!p = tensor<?x204xf32, #llm.dims<[T, 204]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @merge(%p: !p) {
  // CHECK: llm.attend_merge %{{.*}} {head_dim = 32 : i64, heads = 2 : i64, splits = 3 : i64} : (tensor<?x204xf32, #llm.dims<[T, 204]>>) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
  %0 = llm.attend_merge %p {heads = 2, head_dim = 32, splits = 3} : (!p) -> !y
  return
}
