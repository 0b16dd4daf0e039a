// Attention may round its factors to bf16 where some product has int8 inputs: not with f32 activations, and not in a
// model whose weights are all floats.
// RUN: llmc-opt %s --llm-quantize | FileCheck %s --check-prefix=SET
// RUN: llmc-opt %s --llm-quantize=activations=int8 | FileCheck %s --check-prefix=SET
// RUN: llmc-opt %s --llm-quantize=activations=f32 | FileCheck %s --check-prefix=UNSET
// RUN: llmc-opt %s --llm-quantize=scheme=w16 | FileCheck %s --check-prefix=UNSET

// SET: llm.attend {{.*}} {bf16_products, heads = 2 : i64
// SET: llm.attend {{.*}} {bf16_products, heads = 2 : i64
// UNSET-NOT: bf16_products
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16>
!i = !llm.weight<[32, 32], #llm.q<i4, 32, sym>>
llm.weight @integer : !i {sources = [#llm.source<"integer", rows = 32>]}
func.func @forward(%b: !llm.batch, %kv: !kv, %x: !x) -> !x {
  %w = llm.use @integer : !i
  %a = llm.attend %x, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch) -> !x
  %y = llm.linear %a, %w : (!x, !i) -> !x
  %c = llm.attend %y, %kv, %b {layer = 1, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch) -> !x
  return %c : !x
}
