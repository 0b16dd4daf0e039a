// llm.attend_partial; window and softcap print when they are set.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!kv = !llm.kv<layers = 2, heads = 1, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x204xf32, #llm.dims<[T, 204]>>
func.func @attend_partial(%q: !q, %kv: !kv, %b: !llm.batch) {
  // CHECK: llm.attend_partial %{{.*}}, %{{.*}}, %{{.*}} {heads = 2 : i64, layer = 1 : i64, scale = 1.250000e-01 : f64, splits = 3 : i64} : (tensor<?x64xf32, #llm.dims<[T, 64]>>, !llm.kv<layers = 2, heads = 1, dim = 32, page = 16>, !llm.batch) -> tensor<?x204xf32, #llm.dims<[T, 204]>>
  %0 = llm.attend_partial %q, %kv, %b {layer = 1, heads = 2, scale = 0.125, splits = 3} : (!q, !kv, !llm.batch) -> !y
  // CHECK: llm.attend_partial {{.*}} softcap = 5.000000e+01 : f64, splits = 3 : i64, window = 4096 : i64}
  %1 = llm.attend_partial %q, %kv, %b {layer = 1, heads = 2, scale = 0.125, window = 4096, softcap = 50.0, splits = 3} : (!q, !kv, !llm.batch) -> !y
  return
}
