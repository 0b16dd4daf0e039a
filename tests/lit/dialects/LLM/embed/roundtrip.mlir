// llm.embed with and without a scale; the default is not printed.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!table = !llm.weight<[96, 64], #llm.q<f16>>
!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @embed(%b: !llm.batch, %table: !table) {
  // CHECK: llm.embed %{{.*}}, %{{.*}} : (!llm.batch, !llm.weight<[96, 64], #llm.q<f16>>) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
  %0 = llm.embed %b, %table : (!llm.batch, !table) -> !x
  // CHECK: llm.embed %{{.*}}, %{{.*}} {scale = 8.000000e+00 : f64} :
  %1 = llm.embed %b, %table {scale = 8.0} : (!llm.batch, !table) -> !x
  return
}
