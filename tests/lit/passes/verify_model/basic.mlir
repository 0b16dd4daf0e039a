// A model with the right signature, all weights used and all layers cached passes unchanged.
// RUN: llmc-opt %s --llm-verify-model | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 1, heads = 2, dim = 16, page = 1>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK: func.func @forward
// CHECK: llm.kv_write
func.func @forward(%b: !llm.batch, %kv: !kv) -> !x {
  %w = llm.use @w : !w
  %x = llm.embed %b, %w : (!llm.batch, !w) -> !x
  llm.kv_write %kv, %x, %x, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  return %x : !x
}
