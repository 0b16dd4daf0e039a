// kern.call names a kern.func and, with a cache, its layer.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 64, page = 16>
kern.func @double(%x: !x) -> !x attributes {hero = "pointwise"} {
  %y = llm.add %x, %x : !x
  kern.yield %y : !x
}
kern.func @store(%kv: !kv, %x: !x, %b: !llm.batch) attributes {hero = "kv_write"} {
  llm.kv_write %kv, %x, %x, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  kern.yield
}
func.func @call(%x: !x, %kv: !kv, %b: !llm.batch) {
  // CHECK: kern.call @double(%{{.*}}) : (tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
  %y = kern.call @double(%x) : (!x) -> !x
  // CHECK: kern.call @store(%{{.*}}, %{{.*}}, %{{.*}}) {kv_layer = 1 : i64} : (!llm.kv<layers = 2, heads = 1, dim = 64, page = 16>, tensor<?x64xf32, #llm.dims<[T, 64]>>, !llm.batch) -> ()
  kern.call @store(%kv, %y, %b) {kv_layer = 1} : (!kv, !x, !llm.batch) -> ()
  return
}
