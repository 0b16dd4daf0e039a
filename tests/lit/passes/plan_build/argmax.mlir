// The second result of a program is the argmax of its logits, the third their sample; any others are an error.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --plan-build | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!s = tensor<?x32xf32, #llm.dims<[S, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
!a = tensor<?x2xf32, #llm.dims<[S, 2]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
kern.func @best(%b: !llm.batch, %w: !w) -> (!s, !a) attributes {hero = "pointwise"} {
  %e = llm.embed %b, %w : (!llm.batch, !w) -> !x
  %x = llm.select_rows %e, %b : (!x, !llm.batch) -> !s
  %k = llm.keep_rows %x, %b : (!s, !llm.batch) -> !s
  %a = llm.argmax %x {tile = 64 : i64} : (!s) -> !a
  kern.yield %k, %a : !s, !a
}
// CHECK: plan.program @mixed t_max 0 logits @v0 argmax @v1 tile 64 regions [0, 0, 256, 0]
// CHECK: plan.slot @v0 row offset 0 bytes 192
// CHECK: plan.slot @v1 row offset 192 bytes 64
func.func @mixed(%b: !llm.batch, %kv: !kv) -> (!s, !a) attributes {llmc.t_max = 0 : i64} {
  %w = llm.use @w : !w
  %k, %a = kern.call @best(%b, %w) : (!llm.batch, !w) -> (!s, !a)
  return %k, %a : !s, !a
}

// -----

!s = tensor<?x32xf32, #llm.dims<[S, 32]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16>
kern.func @keep(%x: !s, %b: !llm.batch) -> !s attributes {hero = "pointwise"} {
  %k = llm.keep_rows %x, %b : (!s, !llm.batch) -> !s
  kern.yield %k : !s
}
// expected-error @+1 {{expected its second result to be the llm.argmax of a kernel}}
func.func @mixed(%b: !llm.batch, %kv: !kv, %x: !s) -> (!s, !s) attributes {llmc.t_max = 0 : i64} {
  %k = kern.call @keep(%x, %b) : (!s, !llm.batch) -> !s
  return %k, %k : !s, !s
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
!s = tensor<?x32xf32, #llm.dims<[S, 32]>>
!a = tensor<?x2xf32, #llm.dims<[S, 2]>>
!t = tensor<?x1xf32, #llm.dims<[S, 1]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
kern.func @logits(%b: !llm.batch, %w: !w) -> !s attributes {hero = "embed"} {
  %e = llm.embed %b, %w : (!llm.batch, !w) -> !x
  %0 = llm.select_rows %e, %b : (!x, !llm.batch) -> !s
  kern.yield %0 : !s
}
kern.func @best(%x: !s) -> !a attributes {hero = "argmax"} {
  %0 = llm.argmax %x {tile = 64 : i64} : (!s) -> !a
  kern.yield %0 : !a
}
kern.func @token(%x: !s, %a: !a, %b: !llm.batch) -> !t attributes {hero = "sample"} {
  %0 = llm.sample %x, %a, %b : (!s, !a, !llm.batch) -> !t
  kern.yield %0 : !t
}
// CHECK: plan.program @mixed t_max 0 logits @v0 argmax @v1 tile 64 sample @v2 regions
func.func @mixed(%b: !llm.batch, %kv: !kv) -> (!s, !a, !t) attributes {llmc.t_max = 0 : i64} {
  %w = llm.use @w : !w
  %l = kern.call @logits(%b, %w) : (!llm.batch, !w) -> !s
  %a = kern.call @best(%l) : (!s) -> !a
  %t = kern.call @token(%l, %a, %b) : (!s, !a, !llm.batch) -> !t
  return %l, %a, %t : !s, !a, !t
}

// -----

!s = tensor<?x32xf32, #llm.dims<[S, 32]>>
!a = tensor<?x2xf32, #llm.dims<[S, 2]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16>
kern.func @best(%x: !s) -> !a attributes {hero = "argmax"} {
  %0 = llm.argmax %x {tile = 64 : i64} : (!s) -> !a
  kern.yield %0 : !a
}
// expected-error @+1 {{expected its third result to be the llm.sample of a kernel}}
func.func @mixed(%b: !llm.batch, %kv: !kv, %x: !s) -> (!s, !a, !a) attributes {llmc.t_max = 0 : i64} {
  %a = kern.call @best(%x) : (!s) -> !a
  return %x, %a, %a : !s, !a, !a
}

// -----

!s = tensor<?x32xf32, #llm.dims<[S, 32]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16>
// expected-error @+1 {{expected logits, their argmax and their tokens, or the first of them, found 4 results}}
func.func @mixed(%b: !llm.batch, %kv: !kv, %x: !s) -> (!s, !s, !s, !s) attributes {llmc.t_max = 0 : i64} {
  return %x, %x, %x, %x : !s, !s, !s, !s
}
