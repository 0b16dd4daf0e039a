// Near misses of F4 whose products still share an input: they are concatenated (F3) instead of interleaved.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --llm-fuse-horizontal | FileCheck %s
// CHECK-NOT: interleave

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @g : !w {sources = [#llm.source<"g", rows = 32>]}
llm.weight @u : !w {sources = [#llm.source<"u", rows = 32>]}
func.func @uses(%x: !x) -> (!x, !x) {
  %wg = llm.use @g : !w
  %wu = llm.use @u : !w
  %g = llm.linear %x, %wg : (!x, !w) -> !x
  %u = llm.linear %x, %wu : (!x, !w) -> !x
  // expected-remark @+1 {{missed F4: gate or up has another use}}
  %y = llm.glu %g, %u {act = #llm.act_fn<silu>} : (!x, !x) -> !x
  return %y, %u : !x, !x
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
!b = !llm.weight<[32], #llm.q<f32>>
llm.weight @g : !w {sources = [#llm.source<"g", rows = 32>]}
llm.weight @u : !w {sources = [#llm.source<"u", rows = 32>]}
llm.weight @bg : !b {sources = [#llm.source<"bg", rows = 32>]}
llm.weight @bu : !b {sources = [#llm.source<"bu", rows = 32>]}
func.func @biases(%x: !x) -> !x {
  %wg = llm.use @g : !w
  %wu = llm.use @u : !w
  %bg = llm.use @bg : !b
  %bu = llm.use @bu : !b
  %g = llm.linear %x, %wg, %bg : (!x, !w, !b) -> !x
  %u = llm.linear %x, %wu, %bu : (!x, !w, !b) -> !x
  // expected-remark @+1 {{missed F4: gate and up have biases}}
  %y = llm.glu %g, %u {act = #llm.act_fn<silu>} : (!x, !x) -> !x
  return %y : !x
}
