// llm.sample gives one number a row.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!l = tensor<?x300xf32, #llm.dims<[S, 300]>>
!a = tensor<?x6xf32, #llm.dims<[S, 6]>>
func.func @sample(%l: !l, %a: !a, %b: !llm.batch) {
  // CHECK: llm.sample %{{.*}}, %{{.*}}, %{{.*}} : (tensor<?x300xf32, #llm.dims<[S, 300]>>, tensor<?x6xf32, #llm.dims<[S, 6]>>, !llm.batch) -> tensor<?x1xf32, #llm.dims<[S, 1]>>
  %t = llm.sample %l, %a, %b : (!l, !a, !llm.batch) -> tensor<?x1xf32, #llm.dims<[S, 1]>>
  return
}
