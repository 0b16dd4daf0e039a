// A program for few tokens, a model of one layer, and a kernel that is also called where there is no cache keep their kernels.
// RUN: llmc-opt %s --split-input-file --kern-fetch-ahead | FileCheck %s --implicit-check-not=llmc.panels_before

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!b = !llm.batch
!kv = !llm.kv<layers = 3, heads = 2, dim = 16, page = 16>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
kern.func @attend(%q: !x, %kv: !kv, %b: !b) -> !x attributes {hero = "attend"} {
  %p = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!x, !kv, !b) -> !x
  kern.yield %p : !x
}
kern.func @few(%x: !x, %w: !w, %b: !b) -> !x attributes {hero = "linear"} {
  %p = llm.linear %x, %w : (!x, !w) -> !x
  kern.yield %p : !x
}
kern.func @elsewhere(%x: !x, %w: !w, %b: !b) -> !x attributes {hero = "linear"} {
  %p = llm.linear %x, %w : (!x, !w) -> !x
  %s = llm.scale %p {factor = 0.5} : !x
  kern.yield %s : !x
}
// CHECK: func.func @decode
// CHECK: kern.call @few(%{{[^)]*}}, %arg0) :
func.func @decode(%b: !b, %kv: !kv, %x: !x) -> !x attributes {llmc.t_max = 4} {
  %w = llm.use @w : !w
  %0 = kern.call @attend(%x, %kv, %b) {kv_layer = 0} : (!x, !kv, !b) -> !x
  %1 = kern.call @few(%0, %w, %b) : (!x, !w, !b) -> !x
  %2 = kern.call @attend(%1, %kv, %b) {kv_layer = 1} : (!x, !kv, !b) -> !x
  return %2 : !x
}
// CHECK: func.func @mixed
// CHECK: kern.call @elsewhere(%{{[^)]*}}, %arg0) :
func.func @mixed(%b: !b, %kv: !kv, %x: !x) -> !x {
  %w = llm.use @w : !w
  %0 = kern.call @attend(%x, %kv, %b) {kv_layer = 0} : (!x, !kv, !b) -> !x
  %1 = kern.call @elsewhere(%0, %w, %b) : (!x, !w, !b) -> !x
  %2 = kern.call @attend(%1, %kv, %b) {kv_layer = 1} : (!x, !kv, !b) -> !x
  return %2 : !x
}
func.func @without(%b: !b, %x: !x) -> !x {
  %w = llm.use @w : !w
  %0 = kern.call @elsewhere(%x, %w, %b) : (!x, !w, !b) -> !x
  return %0 : !x
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!b = !llm.batch
!kv = !llm.kv<layers = 1, heads = 2, dim = 16, page = 16>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
kern.func @attend(%q: !x, %kv: !kv, %b: !b) -> !x attributes {hero = "attend"} {
  %p = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!x, !kv, !b) -> !x
  kern.yield %p : !x
}
kern.func @alone(%x: !x, %w: !w, %b: !b) -> !x attributes {hero = "linear"} {
  %p = llm.linear %x, %w : (!x, !w) -> !x
  kern.yield %p : !x
}
// CHECK: func.func @mixed
// CHECK: kern.call @alone(%{{[^)]*}}, %arg0) :
func.func @mixed(%b: !b, %kv: !kv, %x: !x) -> !x {
  %w = llm.use @w : !w
  %0 = kern.call @attend(%x, %kv, %b) {kv_layer = 0} : (!x, !kv, !b) -> !x
  %1 = kern.call @alone(%0, %w, %b) : (!x, !w, !b) -> !x
  return %1 : !x
}
