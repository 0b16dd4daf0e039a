// Logits of all tokens and half-precision logits stay as they are.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --llm-insert-argmax | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK-LABEL: @all_tokens
// CHECK-NOT: llm.argmax
func.func @all_tokens(%b: !llm.batch, %x: !x) -> !x {
  %w = llm.use @w : !w
  %y = llm.linear %x, %w : (!x, !w) -> !x
  // expected-remark @+1 {{missed F8: expected f32 logits of selected rows, found 'tensor<?x32xf32, #llm.dims<[T, 32]>>'}}
  return %y : !x
}

// -----

!x = tensor<?x32xf32, #llm.dims<[S, 32]>>
!h = tensor<?x32xf16, #llm.dims<[S, 32]>>
// CHECK-LABEL: @half
// CHECK-NOT: llm.argmax
func.func @half(%b: !llm.batch, %x: !x) -> !h {
  %y = llm.cast %x : (!x) -> !h
  // expected-remark @+1 {{missed F8: expected f32 logits of selected rows}}
  return %y : !h
}
