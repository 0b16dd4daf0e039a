// Each mistake of an importer is an error on the op that shows it.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --llm-verify-model

// expected-error @+1 {{expected a function @forward, found none}}
module {
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
// expected-error @+1 {{expected (!llm.batch, !llm.kv) -> logits, found '(!llm.batch)}}
func.func @forward(%b: !llm.batch) {
  return
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 1, heads = 2, dim = 16, page = 1>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
func.func @forward(%b: !llm.batch, %kv: !kv) -> !x {
  %w = llm.use @w : !w
  %x = llm.embed %b, %w : (!llm.batch, !w) -> !x
  llm.kv_write %kv, %x, %x, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  // expected-error @+1 {{writes layer 0 of the cache a second time}}
  llm.kv_write %kv, %x, %x, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  return %x : !x
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 2, heads = 2, dim = 16, page = 1>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// expected-error @+1 {{expected every one of 2 layers to be cached, found 1}}
func.func @forward(%b: !llm.batch, %kv: !kv) -> !x {
  %w = llm.use @w : !w
  %x = llm.embed %b, %w : (!llm.batch, !w) -> !x
  llm.kv_write %kv, %x, %x, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  return %x : !x
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 1, heads = 2, dim = 16, page = 1>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// expected-error @+1 {{must be used by an op, found none: the engine would carry a dead weight}}
llm.weight @dead : !w {sources = [#llm.source<"dead", rows = 32>]}
func.func @forward(%b: !llm.batch, %kv: !kv) -> !x {
  %w = llm.use @w : !w
  %x = llm.embed %b, %w : (!llm.batch, !w) -> !x
  llm.kv_write %kv, %x, %x, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  return %x : !x
}
