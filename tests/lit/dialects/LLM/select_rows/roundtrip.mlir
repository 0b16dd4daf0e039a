// llm.select_rows goes from T rows to S rows.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

func.func @select(%x: tensor<?x64xf32, #llm.dims<[T, 64]>>, %b: !llm.batch) {
  // CHECK: llm.select_rows %{{.*}}, %{{.*}} : (tensor<?x64xf32, #llm.dims<[T, 64]>>, !llm.batch) -> tensor<?x64xf32, #llm.dims<[S, 64]>>
  %y = llm.select_rows %x, %b : (tensor<?x64xf32, #llm.dims<[T, 64]>>, !llm.batch) -> tensor<?x64xf32, #llm.dims<[S, 64]>>
  return
}
