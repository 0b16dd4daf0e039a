// Products between two layers' attention take the cache, at the layer that is read next; one that writes it has it. Each knows the panels
// of those before it. What only comes before the first attention or after the last one keeps its arguments.
// RUN: llmc-opt %s --kern-fetch-ahead | FileCheck %s
// For cuda nothing is given to any kernel.
// RUN: llmc-opt %s --kern-fetch-ahead=target=cuda | FileCheck %s --check-prefix=CUDA
// RUN: not llmc-opt %s --kern-fetch-ahead=target=tpu 2>&1 | FileCheck %s --check-prefix=TARGET
// CUDA-NOT: llmc.panels_before
// CUDA: return
// TARGET: error: {{.*}}tpu

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!b = !llm.batch
!kv = !llm.kv<layers = 3, heads = 2, dim = 16, page = 16>
!w = !llm.weight<[32, 32], #llm.q<f16>>
!v = !llm.weight<[72, 32], #llm.q<f16>>
!z = tensor<?x72xf32, #llm.dims<[T, 72]>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
llm.weight @v : !v {sources = [#llm.source<"v", rows = 72>]}
kern.func @attend(%q: !x, %kv: !kv, %b: !b) -> !x attributes {hero = "attend"} {
  %p = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!x, !kv, !b) -> !x
  kern.yield %p : !x
}
// CHECK: kern.func @out(%arg0: {{[^:]*}}, %arg1: {{[^%]*}}, %arg2: !llm.batch, %arg3: !llm.kv<layers = 3, heads = 2, dim = 16, page = 16>) ->
// CHECK-SAME: llmc.panels_before = 0
kern.func @out(%x: !x, %w: !w, %b: !b) -> !x attributes {hero = "linear"} {
  %p = llm.linear %x, %w : (!x, !w) -> !x
  kern.yield %p : !x
}
// CHECK: kern.func @up({{.*}}, %arg2: !llm.batch, %arg3: !llm.kv<{{[^>]*}}>) ->
// CHECK-SAME: llmc.panels_before = 2
kern.func @up(%x: !x, %v: !v, %b: !b) -> !x attributes {hero = "linear"} {
  %p = llm.linear %x, %v : (!x, !v) -> !z
  %s = llm.slice %p {offset = 0, size = 32} : (!z) -> !x
  kern.yield %s : !x
}
// CHECK: kern.func @qkv({{.*}}, %arg2: !llm.kv<{{[^>]*}}>, %arg3: !llm.batch) ->
// CHECK-SAME: llmc.panels_before = 7
kern.func @qkv(%x: !x, %w: !w, %kv: !kv, %b: !b) -> !x attributes {hero = "linear"} {
  %p = llm.linear %x, %w : (!x, !w) -> !x
  llm.kv_write %kv, %p, %p, %b {layer = 0} : (!kv, !x, !x, !b) -> ()
  kern.yield %p : !x
}
// CHECK: kern.func @other({{.*}}, %arg2: !llm.batch) ->
// CHECK-NOT: llmc.panels_before
// CHECK: func.func @mixed
kern.func @other(%x: !x, %w: !w, %b: !b) -> !x attributes {hero = "linear"} {
  %p = llm.linear %x, %w : (!x, !w) -> !x
  %s = llm.scale %p {factor = 0.5} : !x
  kern.yield %s : !x
}
// CHECK: kern.call @other(%{{[^)]*}}, %arg0) :
// CHECK: kern.call @qkv({{.*}}) {kv_layer = 0 : i64}
// CHECK: kern.call @attend({{.*}}) {kv_layer = 0 : i64}
// CHECK: kern.call @out({{.*}}, %arg0, %arg1) {kv_layer = 2 : i64}
// CHECK: kern.call @up({{.*}}, %arg0, %arg1) {kv_layer = 2 : i64}
// CHECK: kern.call @qkv({{.*}}) {kv_layer = 2 : i64}
// CHECK: kern.call @attend({{.*}}) {kv_layer = 2 : i64}
// CHECK: kern.call @out({{.*}}, %arg0, %arg1) {kv_layer = 2 : i64}
// CHECK: kern.call @other(%{{[^)]*}}, %arg0) :
func.func @mixed(%b: !b, %kv: !kv, %x: !x) -> !x attributes {llmc.t_max = 0} {
  %w = llm.use @w : !w
  %v = llm.use @v : !v
  %0 = kern.call @other(%x, %w, %b) : (!x, !w, !b) -> !x
  %1 = kern.call @qkv(%0, %w, %kv, %b) {kv_layer = 0} : (!x, !w, !kv, !b) -> !x
  %2 = kern.call @attend(%1, %kv, %b) {kv_layer = 0} : (!x, !kv, !b) -> !x
  %3 = kern.call @out(%2, %w, %b) : (!x, !w, !b) -> !x
  %4 = kern.call @up(%3, %v, %b) : (!x, !v, !b) -> !x
  %5 = kern.call @qkv(%4, %w, %kv, %b) {kv_layer = 2} : (!x, !w, !kv, !b) -> !x
  %6 = kern.call @attend(%5, %kv, %b) {kv_layer = 2} : (!x, !kv, !b) -> !x
  %7 = kern.call @out(%6, %w, %b) : (!x, !w, !b) -> !x
  %8 = kern.call @other(%7, %w, %b) : (!x, !w, !b) -> !x
  return %8 : !x
}
// A program for few tokens names the layer where it calls the same kernel.
// CHECK: func.func @decode
// CHECK: kern.call @out({{.*}}, %arg0, %arg1) {kv_layer = 1 : i64}
// CHECK: kern.call @attend({{.*}}) {kv_layer = 1 : i64}
func.func @decode(%b: !b, %kv: !kv, %x: !x) -> !x attributes {llmc.t_max = 4} {
  %w = llm.use @w : !w
  %0 = kern.call @attend(%x, %kv, %b) {kv_layer = 0} : (!x, !kv, !b) -> !x
  %1 = kern.call @out(%0, %w, %b) : (!x, !w, !b) -> !x
  %2 = kern.call @attend(%1, %kv, %b) {kv_layer = 1} : (!x, !kv, !b) -> !x
  return %2 : !x
}
