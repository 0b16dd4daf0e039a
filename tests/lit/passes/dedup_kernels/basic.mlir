// Two layers share one function; the layer of the cache moves to the call, places of both are kept.
// RUN: llmc-opt %s --kern-dedup | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 2, heads = 2, dim = 16, page = 16>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @a : !w {sources = [#llm.source<"a", rows = 32>]}
llm.weight @b : !w {sources = [#llm.source<"b", rows = 32>]}
// CHECK: kern.func @attend_32({{.*}}
// CHECK: llm.attend {{.*}}layer = 0
// CHECK: kern.func @linear_32x32({{.*}}origin = ["layers.0.o", "layers.1.o"]
// CHECK-NOT: kern.func
// CHECK: func.func @forward
// CHECK: %[[A:.*]] = llm.use @a
// CHECK: %[[B:.*]] = llm.use @b
// CHECK: %[[Y:.*]] = kern.call @linear_32x32(%arg2, %[[A]], %arg0)
// CHECK: kern.call @linear_32x32(%[[Y]], %[[B]], %arg0)
// CHECK: kern.call @attend_32({{.*}} {kv_layer = 1 : i64}
func.func @forward(%b: !llm.batch, %kv: !kv, %x: !x) -> !x {
  %wa = llm.use @a : !w
  %wb = llm.use @b : !w
  %y = kern.dispatch "linear" (%bx = %x : !x, %bw = %wa : !w, %bb = %b : !llm.batch) -> !x attributes {origin = ["layers.0.o"]} {
    %p = llm.linear %bx, %bw : (!x, !w) -> !x
    kern.yield %p : !x
  }
  %z = kern.dispatch "linear" (%bx = %y : !x, %bw = %wb : !w, %bb = %b : !llm.batch) -> !x attributes {origin = ["layers.1.o"]} {
    %p = llm.linear %bx, %bw : (!x, !w) -> !x
    kern.yield %p : !x
  }
  %r = kern.dispatch "attend" (%bq = %z : !x, %bkv = %kv : !kv, %bb = %b : !llm.batch) -> !x {
    %p = llm.attend %bq, %bkv, %bb {layer = 1, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch) -> !x
    kern.yield %p : !x
  }
  return %r : !x
}
