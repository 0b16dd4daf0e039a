// llm.keep_rows changes no type.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

func.func @keep(%x: tensor<?x64xf32, #llm.dims<[S, 64]>>, %b: !llm.batch) {
  // CHECK: llm.keep_rows %{{.*}}, %{{.*}} : (tensor<?x64xf32, #llm.dims<[S, 64]>>, !llm.batch) -> tensor<?x64xf32, #llm.dims<[S, 64]>>
  %y = llm.keep_rows %x, %b : (tensor<?x64xf32, #llm.dims<[S, 64]>>, !llm.batch) -> tensor<?x64xf32, #llm.dims<[S, 64]>>
  return
}
