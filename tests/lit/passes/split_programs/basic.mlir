// @forward becomes @decode, whose attention is cut in parts, and @mixed, whose attention stays whole. Parts are in f32.
// RUN: llmc-opt %s --llm-split-programs | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16>
// CHECK-NOT: @forward
// CHECK: func.func @decode({{.*}}llmc.t_max = 4
// CHECK: %[[P:.*]] = llm.attend_partial {{.*}} {heads = 2 : i64, layer = 1 : i64, scale = 2.500000e-01 : f64, splits = 16 : i64, window = 7 : i64}
// CHECK: %[[M:.*]] = llm.attend_merge %[[P]] {head_dim = 16 : i64, heads = 2 : i64, splits = 16 : i64}
// CHECK: return %[[M]]
// CHECK: func.func @mixed({{.*}}llmc.t_max = 0
// CHECK-NOT: llm.attend_partial
// CHECK: llm.attend %{{.*}} {bf16_products, heads
func.func @forward(%b: !llm.batch, %kv: !kv, %q: !x) -> !x {
  %a = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 0.25, window = 7, bf16_products} : (!x, !kv, !llm.batch) -> !x
  return %a : !x
}
