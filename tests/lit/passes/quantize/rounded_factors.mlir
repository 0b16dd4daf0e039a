// With activations = bf16 on a CPU, products with bf16 weights and attention may round their factors; integer weights meet f32 then. Near misses:
// f16 weights, and the other kinds of activations.
// RUN: llmc-opt %s --llm-quantize=activations=bf16 | FileCheck %s
// RUN: llmc-opt %s --llm-quantize=activations=auto | FileCheck %s --check-prefix=AUTO
// RUN: llmc-opt %s --llm-quantize=activations=f32 | FileCheck %s --check-prefix=AUTO

// CHECK-NOT: llm.quantize
// CHECK: llm.linear {{.*}} {bf16_products} : {{.*}}#llm.q<bf16>
// CHECK: llm.attend {{.*}} {bf16_products
// CHECK: llm.linear {{.*}} : {{.*}}#llm.q<f16>
// AUTO-NOT: {bf16_products} :
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 1, heads = 1, dim = 16, page = 16>
!b = !llm.weight<[32, 32], #llm.q<bf16>>
!h = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @brain : !b {sources = [#llm.source<"brain", rows = 32>]}
llm.weight @half : !h {sources = [#llm.source<"half", rows = 32>]}
func.func @forward(%b: !llm.batch, %kv: !kv, %x: !x) -> !x {
  %w = llm.use @brain : !b
  %y = llm.linear %x, %w : (!x, !b) -> !x
  %a = llm.attend %y, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch) -> !x
  %v = llm.use @half : !h
  %z = llm.linear %a, %v : (!x, !h) -> !x
  return %z : !x
}
