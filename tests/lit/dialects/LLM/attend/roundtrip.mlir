// llm.attend; window, softcap and bf16_products print when they are set.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!kv = !llm.kv<layers = 2, heads = 1, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @attend(%q: !q, %kv: !kv, %b: !llm.batch) {
  // CHECK: llm.attend %{{.*}}, %{{.*}}, %{{.*}} {heads = 2 : i64, layer = 1 : i64, scale = 1.250000e-01 : f64} : (tensor<?x64xf32, #llm.dims<[T, 64]>>, !llm.kv<layers = 2, heads = 1, dim = 32, page = 16>, !llm.batch) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
  %0 = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 0.125} : (!q, !kv, !llm.batch) -> !y
  // CHECK: llm.attend {{.*}} softcap = 5.000000e+01 : f64, window = 4096 : i64}
  %1 = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 0.125, window = 4096, softcap = 50.0} : (!q, !kv, !llm.batch) -> !y
  // CHECK: llm.attend {{.*}} {bf16_products, heads = 2 : i64, layer = 1 : i64, scale = 1.250000e-01 : f64}
  %2 = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 0.125, bf16_products} : (!q, !kv, !llm.batch) -> !y
  // CHECK: llm.attend %{{.*}}, %{{.*}}, %{{.*}}, %[[S:.*]] {heads = 2 : i64, layer = 1 : i64, scale = 1.250000e-01 : f64} : ({{.*}}, !llm.batch, !llm.weight<[2], #llm.q<f32>>)
  %s = llm.use @s : !llm.weight<[2], #llm.q<f32>>
  %3 = llm.attend %q, %kv, %b, %s {layer = 1, heads = 2, scale = 0.125} : (!q, !kv, !llm.batch, !llm.weight<[2], #llm.q<f32>>) -> !y
  return
}
llm.weight @s : !llm.weight<[2], #llm.q<f32>> {sources = [#llm.source<"s", rows = 2>]}
