// A norm that something else reads keeps all its rows; logits that no row-wise op makes are an error.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --llm-insert-select-rows | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 1, heads = 2, dim = 16, page = 16>
!w = !llm.weight<[32, 32], #llm.q<f16>>
!n = !llm.weight<[32], #llm.q<f32>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
llm.weight @norm : !n {sources = [#llm.source<"norm", rows = 32>]}
// CHECK-LABEL: @shared
// CHECK: %[[N:.*]] = llm.rmsnorm {{.*}} -> tensor<?x32xf32, #llm.dims<[T, 32]>>
// CHECK: llm.select_rows %[[N]]
func.func @shared(%b: !llm.batch, %kv: !kv) -> !x {
  %w = llm.use @w : !w
  %wn = llm.use @norm : !n
  %x = llm.embed %b, %w : (!llm.batch, !w) -> !x
  %n = llm.rmsnorm %x, %wn {eps = 1.0e-5} : (!x, !n) -> !x
  llm.kv_write %kv, %n, %n, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  %logits = llm.linear %n, %w : (!x, !w) -> !x
  return %logits : !x
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
func.func @none(%b: !llm.batch, %x: !x) -> !x {
  // expected-error @+1 {{expected logits made by row-wise ops, found none to put a selection before}}
  return %x : !x
}

// -----

// A declaration has nothing to rewrite.
// CHECK-LABEL: func.func private @declared
func.func private @declared(!llm.batch) -> tensor<?x32xf32, #llm.dims<[T, 32]>>

// -----

// expected-error @+1 {{expected a program, !llm.batch as its first argument and logits as its first result, found '() -> ()'}}
func.func @empty() { return }

// -----

// expected-error @+1 {{expected a program, !llm.batch as its first argument and logits as its first result, found '(i32) -> i32'}}
func.func @number(%a: i32) -> i32 { return %a : i32 }
