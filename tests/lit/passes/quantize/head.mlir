// The head keeps 8 bits under w4 also where its logits are scaled and capped; a product behind another op is no head.
// RUN: llmc-opt %s -split-input-file --llm-quantize=scheme=w4 | FileCheck %s

// CHECK: @head : !llm.weight<[48, 32], #llm.q<i8, 32, sym>>
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!l = tensor<?x48xf32, #llm.dims<[T, 48]>>
!w = !llm.weight<[48, 32], #llm.q<f16>>
llm.weight @head : !w {sources = [#llm.source<"head", rows = 48>]}
func.func @forward(%x: !x) -> !l {
  %w = llm.use @head : !w
  %p = llm.linear %x, %w : (!x, !w) -> !l
  %s = llm.scale %p {factor = 0.5} : !l
  %y = llm.softcap %s {cap = 30.0} : !l
  return %y : !l
}

// -----

// CHECK: @inner : !llm.weight<[48, 32], #llm.q<i4, 32, asym>>
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!l = tensor<?x48xf32, #llm.dims<[T, 48]>>
!w = !llm.weight<[48, 32], #llm.q<f16>>
llm.weight @inner : !w {sources = [#llm.source<"inner", rows = 48>]}
func.func @forward(%x: !x) -> !l {
  %w = llm.use @inner : !w
  %p = llm.linear %x, %w : (!x, !w) -> !l
  %y = llm.act %p {fn = #llm.act_fn<relu>} : !l
  return %y : !l
}
