// On a CPU products with bf16 weights may round their other factor, too, but for the head, and with auto for those that attention reads, through
// whatever lies between; attention may not, and integer weights meet f32 with activations = bf16. Near misses: f16 weights, activations = f32 and int8.
// RUN: llmc-opt %s --llm-quantize=activations=bf16 | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: llmc-opt %s --llm-quantize=activations=auto | FileCheck %s --check-prefixes=CHECK,AUTO
// RUN: llmc-opt %s --llm-quantize=activations=f32 | FileCheck %s --check-prefix=NONE
// RUN: llmc-opt %s --llm-quantize=activations=int8 | FileCheck %s --check-prefix=NONE

// CHECK-NOT: llm.quantize
// BF16: llm.linear %{{[a-z0-9]+}}, %{{[a-z0-9]+}} {bf16_products} :
// AUTO: llm.linear %{{[a-z0-9]+}}, %{{[a-z0-9]+}} :
// CHECK: llm.attend {{.*}} {heads = 2
// CHECK: llm.linear {{.*}} {bf16_products} : {{.*}}#llm.q<bf16>
// CHECK: llm.linear {{.*}} : {{.*}}#llm.q<f16>
// CHECK-NOT: bf16_products
// NONE-NOT: bf16_products
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 1, heads = 1, dim = 16, page = 16>
!b = !llm.weight<[32, 32], #llm.q<bf16>>
!h = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @queries : !b {sources = [#llm.source<"queries", rows = 32>]}
llm.weight @out : !b {sources = [#llm.source<"out", rows = 32>]}
llm.weight @half : !h {sources = [#llm.source<"half", rows = 32>]}
llm.weight @head : !b {sources = [#llm.source<"head", rows = 32>]}
func.func @forward(%b: !llm.batch, %kv: !kv, %x: !x) -> !x {
  %wq = llm.use @queries : !b
  %y = llm.linear %x, %wq : (!x, !b) -> !x
  %scaled = llm.scale %y {factor = 2.0} : !x
  %a = llm.attend %scaled, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch) -> !x
  %wo = llm.use @out : !b
  %o = llm.linear %a, %wo : (!x, !b) -> !x
  %wh = llm.use @half : !h
  %z = llm.linear %o, %wh : (!x, !h) -> !x
  %u = llm.use @head : !b
  %logits = llm.linear %z, %u : (!x, !b) -> !x
  %capped = llm.softcap %logits {cap = 30.0} : !x
  return %capped : !x
}
