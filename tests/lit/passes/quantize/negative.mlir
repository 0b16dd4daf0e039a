// Unknown options are errors; float weights never get integer inputs, even when int8 is asked for.
// RUN: not llmc-opt %s --llm-quantize=scheme=w5 2>&1 | FileCheck %s --check-prefix=SCHEME
// RUN: not llmc-opt %s --llm-quantize=activations=int4 2>&1 | FileCheck %s --check-prefix=ACTIVATIONS
// RUN: llmc-opt %s --llm-quantize=activations=int8 | FileCheck %s

// SCHEME: unknown scheme 'w5', expected native, w16, w8, w4 or fp8
// ACTIVATIONS: unknown activations 'int4', expected auto, int8, bf16 or f32
// CHECK-NOT: llm.quantize
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
func.func @forward(%x: !x) -> !x {
  %w = llm.use @w : !w
  %y = llm.linear %x, %w : (!x, !w) -> !x
  return %y : !x
}
