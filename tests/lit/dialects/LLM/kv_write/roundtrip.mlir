// llm.kv_write has no result.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!kv = !llm.kv<layers = 2, heads = 1, dim = 32, page = 16>
!k = tensor<?x32xf32, #llm.dims<[T, 32]>>
func.func @kv_write(%kv: !kv, %k: !k, %v: !k, %b: !llm.batch) {
  // CHECK: llm.kv_write %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {layer = 1 : i64} : (!llm.kv<layers = 2, heads = 1, dim = 32, page = 16>, tensor<?x32xf32, #llm.dims<[T, 32]>>, tensor<?x32xf32, #llm.dims<[T, 32]>>, !llm.batch) -> ()
  llm.kv_write %kv, %k, %v, %b {layer = 1} : (!kv, !k, !k, !llm.batch) -> ()
  return
}
